# syntax=docker/dockerfile:1
# Two stages: the image contains the runtime packages and the code, without pipenv and its cache.
FROM python:3.13-slim AS packages
RUN pip install --no-cache-dir pipenv
WORKDIR /srv
COPY Pipfile Pipfile.lock ./
ENV PIPENV_VENV_IN_PROJECT=1
RUN pipenv sync

FROM python:3.13-slim
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/imts imts
WORKDIR /srv
COPY --from=packages /srv/.venv .venv
COPY alembic.ini ./
COPY migrations migrations
COPY app app
COPY client/python/imts_client client/python/imts_client
ENV PATH=/srv/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# A directory that the user can write to. Mount a volume there to keep request records over a restart.
ENV TELEMETRY_SPILL_DIR=/var/lib/imts/telemetry
USER imts
EXPOSE 8000
# SIGTERM drains. The grace period must exceed --drain-seconds (docker stop --time 40, terminationGracePeriodSeconds: 40).
STOPSIGNAL SIGTERM
# Checks that the process is alive. A load balancer should use /readyz, which also reports draining.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["python", "-m", "app"]
CMD ["serve", "--host", "0.0.0.0"]
