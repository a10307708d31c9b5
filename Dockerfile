# docker build -t vicabench .
# docker run --gpus all -v "$PWD/runs:/work/runs" -v vicabench-cache:/cache vicabench run --model nkkbr/ViCA2
FROM python:3.11-slim

# The versions that the checks passed with; for a GPU, torch of the index in use is taken.
COPY constraints.txt pyproject.toml README.md LICENSE CHANGELOG.md /src/
COPY vicabench /src/vicabench
COPY models /src/models
RUN pip install --no-cache-dir --constraint /src/constraints.txt "/src[models,api]"

RUN useradd --create-home vicabench && mkdir -p /work/runs /cache && chown -R vicabench /work /cache
USER vicabench
ENV HF_HOME=/cache/huggingface XDG_CACHE_HOME=/cache
WORKDIR /work
ENTRYPOINT ["vicabench"]
CMD ["--help"]
