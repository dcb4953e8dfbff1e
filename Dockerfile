# The server in a container: `docker build -t groundup .`, then as docs/deployment.md says.
#
# TORCH_INDEX: where PyTorch's builds for a processor alone lie (its install page names the address); they spare 4 GB. Without it
# pip takes the ordinary build, which uses an NVIDIA GPU where the container is given one (`docker run --gpus all`).

FROM python:3.11-slim AS build
ARG TORCH_INDEX=""
WORKDIR /source
RUN python -m venv /opt/groundup
COPY requirements.lock ./
RUN torch="$(grep '^torch==' requirements.lock)" \
    && /opt/groundup/bin/pip install --no-cache-dir ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$torch"
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY src src
RUN /opt/groundup/bin/pip install --no-cache-dir --constraint requirements.lock '.[serve,export]'

FROM python:3.11-slim
RUN useradd --create-home --uid 1000 groundup
COPY --from=build /opt/groundup /opt/groundup
ENV PATH=/opt/groundup/bin:$PATH GROUNDUP_CACHE=/home/groundup/cache
USER 1000
WORKDIR /home/groundup
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/ready', timeout=2)"]
# An address that others reach needs a file of keys, one a line.
ENTRYPOINT ["groundup", "serve", "/model", "--host", "0.0.0.0", "--api-key", "/run/secrets/groundup-keys"]
