# All packages of uv.lock, for machines without a network. The checkout is not part of the image.
FROM python:3.11-slim
# Compiled now: who runs it may not write here.
ENV UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=1
RUN --mount=type=cache,target=/root/.cache pip install uv
WORKDIR /opt/bptubeformer
COPY pyproject.toml uv.lock ./
RUN --mount=type=cache,target=/root/.cache uv sync --frozen --no-dev --no-install-project
# Any user may run it, also one without a home folder.
ENV PATH=/opt/bptubeformer/.venv/bin:$PATH HOME=/tmp
WORKDIR /checkout
CMD ["snakemake", "--cores", "all"]
