# Three images from one file: `cpu` (LiteRT), `gpu` (TensorFlow with CUDA, much larger) and `train`.
#   docker build .                 docker build --target gpu .

FROM python:3.12-slim AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
# The base image's pip installs into it from outside: nothing that serves needs a pip.
RUN python -m venv --without-pip /opt/venv

# The list of packages is all that the next stages see: code and models change without them.
# Which list it is is no part of the step that installs it: the same list is installed once.
FROM scratch AS gpu-list
# requirements/train.txt here makes the same image with TensorFlow for CPUs.
ARG GPU_REQUIREMENTS=requirements/gpu.txt
COPY ${GPU_REQUIREMENTS} /requirements.txt

FROM scratch AS train-list
# requirements/train-gpu.txt here trains on a GPU.
ARG TRAIN_REQUIREMENTS=requirements/train.txt
COPY ${TRAIN_REQUIREMENTS} /requirements.txt

FROM builder AS cpu-packages
COPY requirements/serve.txt /requirements.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv install --require-hashes --no-deps --only-binary :all: -r /requirements.txt \
    && pip --python /opt/venv check
# A fifth that nothing here reads: NumPy's tests, and LiteRT for browsers' and phones' processors.
WORKDIR /opt/venv/lib/python3.12/site-packages
RUN find . -type d -name tests -prune -exec rm -r {} + \
    && rm -rf ai_edge_litert/libLiteRtWebGpuAccelerator.so \
              ai_edge_litert/tools/apply_plugin_main \
              ai_edge_litert/vendors

FROM builder AS gpu-packages
COPY --from=gpu-list /requirements.txt /requirements.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv install --require-hashes --no-deps --only-binary :all: -r /requirements.txt \
    && pip --python /opt/venv check

FROM builder AS train-packages
COPY --from=train-list /requirements.txt /requirements.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv install --require-hashes --no-deps --only-binary :all: -r /requirements.txt \
    && pip --python /opt/venv check

# Compiled here, as the service cannot write; unchecked, as nothing changes in an image.
# A checkout made under a strict umask has to be readable to the service's user, too.
FROM builder AS service
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /srv
COPY app app
RUN python -m compileall -q --invalidation-mode unchecked-hash app \
    && chmod -R u=rwX,go=rX .
COPY models models
# The newest version of each: who wants to go back to another one mounts the folder.
RUN for model in models/*; do \
        find "$model" -mindepth 2 -maxdepth 2 -name card.json -printf '%h\n' \
            | sort -V | head -n -1 | xargs -r rm -r; \
    done \
    && chmod -R u=rwX,go=rX models

FROM builder AS training
WORKDIR /srv
COPY training training
RUN python -m compileall -q --invalidation-mode unchecked-hash training \
    && chmod -R u=rwX,go=rX .

FROM python:3.12-slim AS runtime
# A number that stays the same, for volumes and for policies that refuse root by number.
# Its home is the one place that it can write: not what else the base leaves open to everybody.
RUN groupadd --gid 10001 app \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin app \
    && find / -xdev -type d -perm -o+w ! -path /tmp -exec chmod o-w {} +
# 0.0.0.0: what is not published stays inside the container's own network.
# HOME also for a user whom the image does not know, as in `docker run --user`.
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    APP_HOST=0.0.0.0
# docker build --build-arg REVISION="$(git rev-parse HEAD)"
ARG REVISION=unknown
LABEL org.opencontainers.image.title="cats-vs-dogs" \
      org.opencontainers.image.description="A photo classifier that anyone can retrain and serve" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="docker.io/library/python:3.12-slim"
WORKDIR /srv
EXPOSE 8000
# Past any proxy that the environment names: it could not reach this loopback address.
HEALTHCHECK --interval=10s --timeout=5s --start-period=2m --start-interval=1s --retries=3 \
    CMD ["python", "-c", "from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:8000/readyz', timeout=4)"]
USER 10001:10001
CMD ["python", "-m", "app"]

FROM runtime AS gpu-runtime
# Without these the driver's libraries are not mounted under every container runtime.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

FROM gpu-runtime AS gpu
COPY --from=gpu-packages /opt/venv /opt/venv
COPY --from=service /srv /srv

# python -m ... of training, and its end: as after Ctrl-C, which it can be resumed from.
FROM gpu-runtime AS train
HEALTHCHECK NONE
STOPSIGNAL SIGINT
COPY --from=train-packages /opt/venv /opt/venv
COPY --from=service /srv /srv
COPY --from=training /srv/training /srv/training
ENTRYPOINT ["python", "-m"]
CMD ["training.fit"]

# Last, so that a build without a target makes the small one.
FROM runtime AS cpu
COPY --from=cpu-packages /opt/venv /opt/venv
COPY --from=service /srv /srv
