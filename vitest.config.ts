import { defineConfig } from 'vitest/config'

const shared = { globalSetup: ['test/support/global-setup.ts'], testTimeout: 60_000, hookTimeout: 60_000 }

export default defineConfig({
  test: {
    sequence: { shuffle: true },
    projects: [
      { test: { ...shared, name: 'quick', include: ['test/**/*.test.ts'], exclude: ['test/slow/**'] } },
      { test: { ...shared, name: 'slow', include: ['test/slow/**/*.test.ts'], testTimeout: 240_000 } },
    ],
  },
})
