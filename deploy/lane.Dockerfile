ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# deploy/README.md says why these lines are the same in every Dockerfile.
FROM ${PYTHON_IMAGE} AS build
COPY deploy/ca /build/ca
COPY deploy/wheels /build/wheels
COPY deploy/install.py pyproject.toml /build/
RUN python /build/install.py core
ARG TORCH_INDEX
RUN python /build/install.py --layer torch torch
RUN python /build/install.py --layer triton numpy triton

# Where rewards run: Python, what they may import, and the lane program. Nothing else.
FROM ${PYTHON_IMAGE}
COPY --from=build /opt/torch /opt/torch
COPY --from=build /opt/triton /opt/triton
RUN printf '/opt/torch\n/opt/triton\n' > "$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/layers.pth"
COPY svc_reward/lane /opt/lane
RUN python -m compileall -q /opt/lane
ENV TRITON_INTERPRET=1 OMP_NUM_THREADS=1
