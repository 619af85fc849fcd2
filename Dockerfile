# One image for web, worker, setup and sandbox: see deploy/start. It runs as an ordinary user on a read-only root.
FROM python:3.11-slim-bookworm AS made
WORKDIR /srv/trunkline
ARG REQUIREMENTS=requirements.txt
COPY requirements.txt requirements-extras.txt ./
RUN python -m venv .venv && .venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r "$REQUIREMENTS"
COPY . .
# The keys are for this command alone. No request is answered with them.
RUN SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(48))')" \
    FIELD_KEYS="$(.venv/bin/python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())')" \
    .venv/bin/python manage.py collectstatic --noinput && .venv/bin/python -m compileall -q . && rm -rf var

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin trunkline
COPY --from=made /srv/trunkline /srv/trunkline
RUN install -d -o trunkline -g trunkline /srv/trunkline/var
WORKDIR /srv/trunkline
ENV PYTHONUNBUFFERED=1 WEB_ADDRESS=0.0.0.0:8000
USER 10001:10001
VOLUME /srv/trunkline/var
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=6s --start-period=60s CMD ["deploy/healthy"]
ENTRYPOINT ["deploy/start"]
CMD ["web"]
