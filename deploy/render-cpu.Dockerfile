# syntax=docker/dockerfile:1.7
# A render worker on the CPU:
#   docker build -f deploy/render-cpu.Dockerfile -t kiln-render-cpu .

FROM node:24.9.0-bookworm-slim AS build
WORKDIR /kiln
COPY package.json package-lock.json .npmrc ./
# Nothing that is downloaded runs while it is installed.
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --include=dev
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY api api
COPY workers workers
# The package of onnxruntime has the libraries of every platform.
RUN npm run build && npm prune --omit=dev --ignore-scripts \
  && find node_modules/onnxruntime-node/bin -mindepth 2 -maxdepth 2 -type d ! -name linux -exec rm -rf {} +

FROM node:24.9.0-bookworm-slim
ENV NODE_ENV=production
WORKDIR /kiln
COPY --from=build /kiln/package.json ./
COPY --from=build /kiln/node_modules node_modules
COPY --from=build /kiln/dist dist
COPY models models
# An id, so that a cluster can see that it is not root.
USER 10001:10001
EXPOSE 9464
STOPSIGNAL SIGTERM
CMD ["node", "dist/workers/render/main.js"]
