# Two images from one file: `cpu` (LiteRT) and `gpu` (TensorFlow with CUDA, much larger).
#   docker build .                 docker build --target gpu .

FROM python:3.12-slim AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
# The base image's pip installs into it from outside: nothing that serves needs a pip.
RUN python -m venv --without-pip /opt/venv

# The list of packages is all that these two stages see: code and models change without them.
FROM builder AS cpu-packages
COPY requirements/serve.txt /requirements.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv install --require-hashes --only-binary :all: -r /requirements.txt

FROM builder AS gpu-packages
# requirements/train.txt here makes the same image with TensorFlow for CPUs.
ARG GPU_REQUIREMENTS=requirements/gpu.txt
COPY ${GPU_REQUIREMENTS} /requirements.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv install --require-hashes --only-binary :all: -r /requirements.txt

FROM builder AS service
WORKDIR /srv
COPY app app
COPY models models
# Compiled here, as the service cannot write; unchecked, as nothing changes in an image.
# A checkout made under a strict umask has to be readable to the service's user, too.
RUN python -m compileall -q --invalidation-mode unchecked-hash app \
    && chmod -R u=rwX,go=rX .

FROM python:3.12-slim AS runtime
LABEL org.opencontainers.image.title="cats-vs-dogs" \
      org.opencontainers.image.description="A photo classifier that anyone can retrain and serve"
# A number that stays the same, for volumes and for policies that refuse root by number.
# Its home is the one place that can be written when the root filesystem is read-only.
RUN groupadd --gid 10001 app \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin app
# 0.0.0.0: what is not published stays inside the container's own network.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    APP_HOST=0.0.0.0
WORKDIR /srv
EXPOSE 8000
# Past any proxy that the environment names: it could not reach this loopback address.
HEALTHCHECK --interval=30s --timeout=5s --start-period=2m --start-interval=2s --retries=3 \
    CMD ["python", "-c", "from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:8000/readyz', timeout=4)"]
USER 10001:10001
CMD ["python", "-m", "app"]

FROM runtime AS gpu
# Without these the driver's libraries are not mounted under every container runtime.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=gpu-packages /opt/venv /opt/venv
COPY --from=service /srv /srv

# Last, so that a build without a target makes the small one.
FROM runtime AS cpu
COPY --from=cpu-packages /opt/venv /opt/venv
COPY --from=service /srv /srv
