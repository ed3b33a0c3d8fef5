# One image for every service; which one it is, the command says. No compiler, no root, no shell tools of ours.
FROM python:3.11-slim

RUN groupadd --gid 10001 vermilion \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin vermilion \
 && groupadd --gid 10002 vermilion-signer \
 && useradd --uid 10002 --gid 10002 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin \
    vermilion-signer \
 && groupadd --gid 10003 vermilion-public \
 && useradd --uid 10003 --gid 10003 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin \
    vermilion-public \
 && install -d -o vermilion -g vermilion -m 0700 /var/lib/vermilion \
 && install -d -o vermilion-public -g vermilion-public -m 0700 /var/lib/vermilion-public \
 && install -d -o vermilion-signer -g vermilion-signer -m 0700 /var/lib/vermilion-signer \
 && install -d -o vermilion-signer -g vermilion-signer -m 0711 /run/vermilion-signer

WORKDIR /opt/vermilion
COPY requirements/run.txt requirements/run.txt
RUN python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/run.txt
COPY . .
RUN python -m pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation .

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 VERMILION_DATA=/var/lib/vermilion VERMILION_BIND=0.0.0.0
WORKDIR /var/lib/vermilion
USER 10001:10001
EXPOSE 8800 8801
ENTRYPOINT ["/opt/vermilion/deploy/entrypoint.sh"]
CMD ["--help"]
