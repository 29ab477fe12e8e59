# syntax=docker/dockerfile:1.7
# A render worker on an NVIDIA GPU:
#   docker build -f deploy/render-cuda.Dockerfile -t kiln-render-cuda .
# It needs a driver for CUDA 13 and the NVIDIA container toolkit on the host.

FROM node:24.9.0-bookworm-slim AS build
WORKDIR /kiln
COPY package.json package-lock.json .npmrc ./
# Nothing that is downloaded runs while it is installed.
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --include=dev
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY api api
COPY workers workers
RUN npm run build && npm prune --omit=dev --ignore-scripts \
  && find node_modules/onnxruntime-node/bin -mindepth 2 -maxdepth 2 -type d ! -name linux -exec rm -rf {} +

# The runtime that onnxruntime 1.30 is built for, with cuDNN, which convolutions open by name.
FROM nvidia/cuda:13.0.1-cudnn-runtime-ubuntu24.04
COPY --from=build /usr/local/bin/node /usr/local/bin/node
ENV NODE_ENV=production KILN_DEVICE=cuda
WORKDIR /kiln
COPY --from=build /kiln/package.json ./
COPY --from=build /kiln/node_modules node_modules
COPY --from=build /kiln/src/cli/setup-cuda.mjs src/cli/setup-cuda.mjs
COPY --from=build /kiln/src/cli/setup src/cli/setup
# npm does not carry the CUDA provider: without this step the worker would be one for the CPU, and nobody would be told.
# Ends the build when the provider does not come, or when a library that it links is not in this image.
RUN node src/cli/setup-cuda.mjs --no-probe
COPY --from=build /kiln/dist dist
COPY models models
# An id, so that a cluster can see that it is not root.
USER 10001:10001
EXPOSE 9464
STOPSIGNAL SIGTERM
# A convolution on the GPU before anything else: a container that cannot have its device ends at once and says why.
CMD ["/bin/sh", "-c", "node src/cli/setup/cuda-probe.mjs && exec node dist/workers/render/main.js"]
