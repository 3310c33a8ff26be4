ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# deploy/README.md says why these lines are the same in every Dockerfile.
FROM ${PYTHON_IMAGE} AS build
COPY deploy/ca /build/ca
COPY deploy/wheels /build/wheels
COPY deploy/install.py pyproject.toml /build/
RUN python /build/install.py core
RUN python /build/install.py gateway

FROM ${PYTHON_IMAGE}
RUN useradd --uid 10001 --home-dir /data --shell /usr/sbin/nologin burnish \
 && install -d -o burnish -g burnish /data /models
COPY deploy/healthcheck /usr/local/bin/healthcheck
COPY --from=build /opt/burnish /opt/burnish
WORKDIR /app
COPY burnish burnish
COPY svc_gateway svc_gateway
RUN python -m compileall -q .
ENV PATH=/opt/burnish/bin:$PATH PYTHONUNBUFFERED=1 \
    BURNISH_HOST=0.0.0.0 BURNISH_HEALTH_PORT=8081 BURNISH_DATA_DIR=/data BURNISH_MODELS_DIR=/models
USER burnish
VOLUME /data
EXPOSE 8080 50051 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["healthcheck"]
ENTRYPOINT ["python", "-m", "svc_gateway"]
