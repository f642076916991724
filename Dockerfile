# The two images of a deployment: `docker build --target backend .` and `docker build --target worker .`
# They hold the same binary; what differs is the verb, the port and the health check.

# --- the manifests alone -----------------------------------------------------------------------
# Every crate becomes its manifest and an empty source. The result is the same, byte for byte, until
# a manifest or the lock file changes, so the next stage comes from the cache whatever was edited.
# A new crate needs no line here.
FROM rust:1.95-slim-bookworm AS manifests
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY crates crates
RUN find crates -type f ! -name Cargo.toml -delete \
 && find crates -type d -empty -delete \
 && for crate in crates/*; do \
      mkdir "$crate/src" && echo '//! Stub.' >"$crate/src/lib.rs"; \
    done \
 && mv crates/cli/src/lib.rs crates/cli/src/main.rs \
 && echo 'fn main() {}' >>crates/cli/src/main.rs

# --- dependencies ------------------------------------------------------------------------------
FROM rust:1.95-slim-bookworm AS dependencies
ENV CARGO_NET_RETRY=10 CARGO_TERM_COLOR=never
WORKDIR /src
COPY --from=manifests /src ./
# What is compiled stays in the layer, where an exported layer cache finds it too; only the downloads
# are in a cache of this machine.
RUN --mount=type=cache,id=posthaste-cargo-registry,target=/usr/local/cargo/registry,sharing=locked \
    cargo build --release --locked --package posthaste-cli

# --- the binary --------------------------------------------------------------------------------
FROM dependencies AS build
COPY crates crates
# cargo tells by modification times what is stale, and the stubs may be newer than the sources.
RUN --mount=type=cache,id=posthaste-cargo-registry,target=/usr/local/cargo/registry,sharing=locked \
    find crates -name '*.rs' -exec touch {} + \
 && cargo build --release --locked --package posthaste-cli \
 && install -D target/release/posthaste /out/posthaste \
 && mkdir /out/data

# --- what both images are ----------------------------------------------------------------------
# No shell, no package manager, certificate authorities, and a user without rights.
FROM gcr.io/distroless/cc-debian12:nonroot AS runtime
COPY --from=build /out/posthaste /usr/local/bin/posthaste
# For `posthaste up` with the embedded store: a volume mounted here belongs to the user below.
COPY --from=build --chown=65532:65532 /out/data /var/lib/posthaste
ENV POSTHASTE_DATA_DIR=/var/lib/posthaste
USER 65532:65532
WORKDIR /var/lib/posthaste
ENTRYPOINT ["/usr/local/bin/posthaste"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.source="https://github.com/posthaste/posthaste" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.vendor="Posthaste" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"

# --- worker ------------------------------------------------------------------------------------
FROM runtime AS worker
LABEL org.opencontainers.image.title="Posthaste worker" \
      org.opencontainers.image.description="Runs the tasks that the backend accepted; finds Redis through REDIS_URL."
ENV POSTHASTE_WORKER_ADDR=0.0.0.0:8001
EXPOSE 8001
HEALTHCHECK --interval=5s --timeout=6s --start-period=30s --retries=3 \
  CMD ["/usr/local/bin/posthaste", "health", "--worker"]
CMD ["worker"]

# --- backend (what a build without --target makes) ---------------------------------------------
FROM runtime AS backend
LABEL org.opencontainers.image.title="Posthaste backend" \
      org.opencontainers.image.description="HTTP API and pages; finds Redis through REDIS_URL."
# It listens beyond loopback only when told POSTHASTE_AUTH=off, and that is for whoever runs the image
# to say: it depends on who can reach the port.
ENV POSTHASTE_ADDR=0.0.0.0:8000
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=6s --start-period=30s --retries=3 \
  CMD ["/usr/local/bin/posthaste", "health"]
CMD ["api"]
