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
# Dependencies first, so that a change of our own code does not compile them again.
COPY Cargo.toml Cargo.lock build.rs ./
RUN mkdir -p src migrations web/dist \
    && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
    && cargo build --release --locked \
    && rm -rf src
COPY migrations migrations
COPY src src
COPY --from=web /web/dist web/dist
# The placeholder must look older than what it stood for.
RUN touch build.rs src/main.rs src/lib.rs && cargo build --release --locked

# The server is somewhere else (DATABASE_URL), so the image holds no PostgreSQL.
FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data --create-home recotem
COPY LICENSE /usr/share/doc/recotem/LICENSE
COPY --from=build /recotem/target/release/recotem /usr/local/bin/recotem
USER 10001
WORKDIR /data
VOLUME /data
ENV RECOTEM_DATA_DIR=/data \
    RECOTEM_BIND=0.0.0.0:8000
EXPOSE 8000
ENTRYPOINT ["tini", "--", "recotem"]
CMD ["serve"]
