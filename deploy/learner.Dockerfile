ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# deploy/README.md says why these lines are the same in every Dockerfile.
FROM ${PYTHON_IMAGE} AS build
COPY deploy/ca /build/ca
COPY deploy/wheels /build/wheels
COPY deploy/install.py pyproject.toml /build/
RUN python /build/install.py core
ARG TORCH_INDEX
RUN python /build/install.py --layer torch torch
RUN python /build/install.py --layer transformers transformers safetensors
RUN python /build/install.py learner

FROM ${PYTHON_IMAGE}
RUN useradd --uid 10001 --home-dir /data --shell /usr/sbin/nologin burnish \
 && install -d -o burnish -g burnish /data /models
COPY deploy/healthcheck /usr/local/bin/healthcheck
COPY --from=build /opt/torch /opt/torch
COPY --from=build /opt/transformers /opt/transformers
COPY --from=build /opt/burnish /opt/burnish
WORKDIR /app
COPY burnish burnish
COPY svc_learner svc_learner
RUN python -m compileall -q .
# The MALLOC settings: burnish/supervisor/allocator.py says why.
ENV PATH=/opt/burnish/bin:$PATH PYTHONUNBUFFERED=1 \
    MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=8589934592 \
    MALLOC_TOP_PAD_=67108864 MALLOC_ARENA_MAX=1 \
    BURNISH_HOST=0.0.0.0 BURNISH_HEALTH_PORT=8081 BURNISH_DATA_DIR=/data BURNISH_MODELS_DIR=/models
USER burnish
VOLUME /data
EXPOSE 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["healthcheck"]
ENTRYPOINT ["python", "-m", "svc_learner"]
