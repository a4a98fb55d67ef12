FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY deploy deploy
COPY client client
COPY broker broker
COPY cli cli
RUN python3 -m venv --without-pip /opt/odradek \
    && python3 -m pip --python /opt/odradek/bin/python install --no-cache-dir --disable-pip-version-check ".[etcd]"

FROM python:3.11-slim
RUN useradd --system --uid 1001 --home-dir /var/lib/odradek --no-create-home odradek \
    && install -d -o odradek -g odradek -m 0700 /var/lib/odradek /security
COPY --from=build /opt/odradek /opt/odradek
COPY docker/healthy.py /opt/odradek/healthy.py

# Any setting can be given as ODRADEK_<KEY>, e.g. ODRADEK_LOG_RETENTION_HOURS. Clients on other machines need
# ODRADEK_ADVERTISED_LISTENERS=PLAINTEXT://<the name by which they reach this one>:9092. As it is, a broker refuses to
# start: give it listeners that ask for a login (docs/security.md), or say ODRADEK_ALLOW_UNSECURED_LISTENERS=true.
ENV PATH=/opt/odradek/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    ODRADEK_LISTENERS=PLAINTEXT://0.0.0.0:9092 \
    ODRADEK_LOG_DIRS=/var/lib/odradek

WORKDIR /var/lib/odradek
USER odradek
VOLUME /var/lib/odradek
EXPOSE 9092
HEALTHCHECK --interval=5s --timeout=5s --retries=12 CMD python /opt/odradek/healthy.py
STOPSIGNAL SIGTERM
ENTRYPOINT ["odradek"]
CMD ["broker"]
