# featherweight for the CPU, with its native engine, as an ordinary user:
#   docker build -t featherweight .
#   docker run --rm -v "$PWD:/home/user/files" featherweight train f3
# Files are written into the current folder; where its owner is not user 1000, add: --user "$(id -u):$(id -g)"
FROM python:3.11-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY pyproject.toml setup.py MANIFEST.in README.md LICENSE ./
COPY src src
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim
# PyTorch from its own index of CPU builds: the one on the package index brings several GB of CUDA.
RUN pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu 'torch>=2.10,<2.14'
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir /wheels/*.whl && rm -r /wheels && useradd --create-home --uid 1000 user
USER user
ENV HOME=/home/user
WORKDIR /home/user/files
ENTRYPOINT ["featherweight"]
CMD ["--help"]
