# One image for every service; compose.yaml says which module each one runs.
FROM node:24-bookworm-slim AS ui
WORKDIR /ui
COPY ui/package.json ui/package-lock.json ui/.npmrc ./
RUN npm ci --ignore-scripts
COPY ui/ ./
RUN npm run build

FROM python:3.11-slim-bookworm
ARG BUILD_ID=""
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 BUILD_ID=${BUILD_ID}
WORKDIR /app
COPY requirements.txt ./
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.txt
COPY domain/ domain/
COPY store/ store/
COPY adapters/ adapters/
COPY projections/ projections/
COPY api/ api/
COPY run/ run/
COPY sql/ sql/
COPY --from=ui /ui/dist ui/dist
RUN useradd --system --uid 10001 --create-home striketape && mkdir -p var && chown striketape var
USER striketape
CMD ["python", "-m", "run.api"]
