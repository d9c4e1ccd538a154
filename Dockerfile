# Two stages: one that builds, one that runs. The second has neither pip nor a compiler of ours, runs as nobody in
# particular, writes nowhere, and needs no shell.
#
# No container engine has built this file yet. tests/deploy/test_image.py runs its steps, one by one, under bubblewrap
# on a Python 3.11 in place of the base image, and then the result as uid 65532 on a read-only root without any
# capability and without a shell.

# Pin it by digest where you build: --build-arg BASE=python:3.11-slim-bookworm@sha256:...
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS builder
WORKDIR /src
# The tools live apart from what is shipped, so that none of them is.
RUN python -m venv /opt/build
RUN python -m venv --without-pip /opt/sentinel
COPY requirements/ requirements/
RUN /opt/build/bin/pip install --require-hashes --only-binary :all: -r requirements/build.lock
# Dependencies before the source: a changed line of ours does not fetch them again.
RUN /opt/build/bin/pip --python /opt/sentinel/bin/python install --no-compile --require-hashes --only-binary :all: -r requirements/runtime.lock
# For `sentinel visit`: --build-arg BROWSER=chromium-headless-shell (or chromium). Without it nothing of the kind is in.
ARG BROWSER
RUN if [ -n "$BROWSER" ]; then /opt/build/bin/pip --python /opt/sentinel/bin/python install --no-compile --require-hashes --only-binary :all: -r requirements/browser.lock; fi
COPY pyproject.toml README.md LICENSE ./
COPY sentinel/ sentinel/
COPY config/drills/ config/drills/
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /dist .
RUN /opt/build/bin/pip --python /opt/sentinel/bin/python install --no-compile --no-deps --no-index --find-links /dist tenant-sentinel
# The root is read-only later, so bytecode is written now; unchecked, since nothing here changes any more and a copy
# between stages may lose the times that the usual check compares.
RUN /opt/sentinel/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/sentinel/lib

FROM ${BASE}
ARG BROWSER
RUN if [ -n "$BROWSER" ]; then apt-get update -q && apt-get install -qy --no-install-recommends "$BROWSER" fonts-dejavu-core && rm -rf /var/lib/apt/lists/*; fi
COPY --from=builder /opt/sentinel /opt/sentinel
ENV PATH=/opt/sentinel/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# The number and not a name: Kubernetes' runAsNonRoot can only check a number.
USER 65532:65532
EXPOSE 8080 7462/tcp 7462/udp
ENTRYPOINT ["sentinel"]
CMD ["run", "--config", "/etc/sentinel/sentinel.yaml"]
