# syntax=docker/dockerfile:1
# The whole product in one image: `docker run -p 8000:8000 -e DATABASE_URL=… -v recotem:/data IMAGE`.

FROM node:22-bookworm-slim AS web
WORKDIR /web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY web ./
RUN npm run build

FROM rust:1.95-slim-bookworm AS build
WORKDIR /recotem
COPY Cargo.toml Cargo.lock build.rs ./
COPY crates crates
COPY migrations migrations
COPY src src
COPY --from=web /web/dist web/dist
# What was compiled stays in caches of the builder, so that a change of our own code compiles nothing else again.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/recotem/target \
    cargo build --release --locked && cp target/release/recotem /usr/local/bin/recotem

# The server is somewhere else (DATABASE_URL), so the image holds no PostgreSQL.
FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data --create-home recotem
COPY LICENSE /usr/share/doc/recotem/LICENSE
COPY --from=build /usr/local/bin/recotem /usr/local/bin/recotem
USER 10001
WORKDIR /data
VOLUME /data
ENV RECOTEM_DATA_DIR=/data \
    RECOTEM_BIND=0.0.0.0:8000
EXPOSE 8000
ENTRYPOINT ["tini", "--", "recotem"]
CMD ["serve"]
