# A server of a saved model: docker build -t fewshot . && docker run -p 8000:8000 -v ./model:/model:ro fewshot
FROM python:3.11-slim

# PyPI's torch brings gigabytes of CUDA packages. For CPUs alone, build with
# --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG TORCH_INDEX=https://pypi.org/simple
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY fewshot fewshot
COPY verbalizers verbalizers
RUN pip install --no-cache-dir --constraint constraints.txt --index-url "$TORCH_INDEX" torch
RUN pip install --no-cache-dir --constraint constraints.txt ".[serve,mini]"

RUN useradd --create-home server
USER server
WORKDIR /home/server
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=5)"]
ENTRYPOINT ["fewshot", "serve", "--host", "0.0.0.0"]
CMD ["/model"]
