# One image for all: `node src/main.ts` (everything, with a Redis of its own), `node src/http/main.ts` (API),
# `node workers/main.ts` (worker). It is node that runs, never npm, which would orphan its child.
FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# Without scripts: the one of the `node` package would bring a second Node.
RUN npm install --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24-bookworm-slim
RUN apt-get update \
  && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    bash bubblewrap ca-certificates curl git jq redis-server ripgrep tini \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY package.json LICENSE ./
COPY src src
COPY workers workers
RUN mkdir -p /data /workspace && chown node:node /data /workspace
USER node
# HOST: a container's loopback cannot be published. Set ALEX_API_TOKENS, or ALEX_ALLOW_ANONYMOUS=true.
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 ALEX_HOME=/data ALEX_WORKSPACE_DIR=/workspace
VOLUME ["/data", "/workspace"]
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s --retries=3 \
  CMD curl -fsS "http://localhost:${PORT}/health" >/dev/null || exit 1
ENTRYPOINT ["tini", "--"]
CMD ["node", "src/main.ts"]
