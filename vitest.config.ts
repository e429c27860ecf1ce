import { defineConfig } from 'vitest/config'

const shared = { globalSetup: ['test/support/global-setup.ts'], testTimeout: 60_000, hookTimeout: 60_000 }

export default defineConfig({
  test: {
    sequence: { shuffle: true },
    // Files mostly wait for processes that they started; by default a core would be kept free.
    maxWorkers: '100%',
    projects: [
      {
        test: {
          ...shared,
          name: 'quick',
          include: ['test/**/*.test.ts'],
          exclude: ['test/slow/**', 'test/web/*.test.ts'],
        },
      },
      {
        test: {
          ...shared,
          name: 'slow',
          include: ['test/slow/**/*.test.ts', 'test/web/*.test.ts'],
          testTimeout: 240_000,
        },
      },
    ],
  },
})
