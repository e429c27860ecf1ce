# One image for all: `node src/main.ts` (everything, with a Redis of its own), `node src/http/main.ts` (API),
# `node workers/main.ts` (worker). It is node that runs, never npm, which would orphan its child.
FROM node:24-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# Without scripts: the one of the `node` package would bring a second Node.
RUN npm install --omit=dev --ignore-scripts --no-audit --no-fund

# The web console is built with the packages of development, which the image does without.
FROM node:24-slim AS console
WORKDIR /app
COPY package.json package-lock.json tsconfig.json vite.config.ts ./
RUN npm install --include=dev --ignore-scripts --no-audit --no-fund
COPY src src
RUN npm run build:web

FROM node:24-slim
RUN apt-get update \
  && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    bash bubblewrap ca-certificates curl git jq redis-server ripgrep tini \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY package.json LICENSE ./
COPY src src
COPY workers workers
COPY --from=console /app/dist/web dist/web
# A new named volume takes over owner and mode of the folder that it covers.
RUN mkdir -p /data/workspaces /data/sessions /data/costs /workspace \
  && chown -R node:node /data /workspace
# The code stays root's: tools that run as `node` cannot change it.
USER node
# HOST: a container's loopback cannot be published. Set ALEX_API_TOKENS, or ALEX_ALLOW_ANONYMOUS=true.
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 ALEX_HOME=/data ALEX_WORKSPACE_DIR=/workspace
VOLUME ["/data", "/workspace"]
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --start-interval=1s --retries=3 \
  CMD curl -fsS "http://localhost:${PORT}/health" >/dev/null || exit 1
# As PID 1, node would reap none of the orphans that commands of tasks leave: each stays a zombie (measured).
# tini reaps them and hands SIGTERM on to node, whose exit code becomes the container's.
ENTRYPOINT ["tini", "--"]
CMD ["node", "src/main.ts"]
