# syntax=docker/dockerfile:1
# Two stages: pipenv and its cache stay behind, the image holds the runtime packages and the code only.
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
ENV PATH=/srv/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# A directory that the user may write to; mount a volume there to keep request records over a restart.
ENV TELEMETRY_SPILL_DIR=/var/lib/imts/telemetry
USER imts
EXPOSE 8000
# Drains; give it longer than serve's --drain-seconds (docker stop --time 40, terminationGracePeriodSeconds: 40).
STOPSIGNAL SIGTERM
# Whether the process lives; a balancer asks /readyz, which also says when it drains.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["python", "-m", "app"]
CMD ["serve", "--host", "0.0.0.0"]
