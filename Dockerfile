# syntax=docker/dockerfile:1
# Web process and planner. The predictors' libraries are left out; add requirements.txt for them.

FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements-core.txt /tmp/requirements-core.txt
RUN /opt/venv/bin/pip install -r /tmp/requirements-core.txt

FROM python:3.11-slim
ENV PATH="/opt/venv/bin:$PATH" \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HALFHOUR_BIND=0.0.0.0 \
    HALFHOUR_PORT=5000
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin halfhour
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY . .
RUN mkdir -p data logs && chown -R halfhour: data logs
USER halfhour
VOLUME ["/app/data", "/app/logs"]
EXPOSE 5000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=4 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['HALFHOUR_PORT'] + '/health', timeout=4)"]
# Without a key nobody may reach the port, so the first start makes one and prints it once.
CMD ["sh", "-c", "flask --app app db upgrade && flask --app app keys create --if-none && exec gunicorn -c gunicorn.conf.py app:app"]
