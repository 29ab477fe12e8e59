# syntax=docker/dockerfile:1.7
# The processes without a device: api, courier, bulk, and the `kiln` command. The command line says which of them runs:
#   docker build -f deploy/api.Dockerfile -t kiln-api .

FROM node:24.9.0-bookworm-slim AS build
WORKDIR /kiln
COPY package.json package-lock.json .npmrc ./
# Nothing that is downloaded runs while it is installed.
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --include=dev
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY api api
COPY workers workers
# onnxruntime is 290 MB, and only render workers load it.
RUN npm run build && npm prune --omit=dev --ignore-scripts && rm -rf node_modules/onnxruntime-*

FROM node:24.9.0-bookworm-slim
ENV NODE_ENV=production
WORKDIR /kiln
COPY --from=build /kiln/package.json ./
COPY --from=build /kiln/node_modules node_modules
COPY --from=build /kiln/dist dist
RUN chmod +x dist/src/cli/main.js && ln -s /kiln/dist/src/cli/main.js /usr/local/bin/kiln
# An id, so that a cluster can see that it is not root.
USER 10001:10001
EXPOSE 8080 9464
STOPSIGNAL SIGTERM
CMD ["node", "dist/api/main.js"]
