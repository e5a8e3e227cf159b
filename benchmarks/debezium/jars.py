"""The archives of Kafka Connect and of Debezium's JDBC sink, locked beside this file.

`python -m benchmarks.debezium.jars` resolves them anew and writes both lock files.

Connect is one release later than the devstack's broker, which it can talk to: its JSON converter
takes the schema from its configuration (KIP-1054, since 4.2), so that a message need not carry it.
"""

from pathlib import Path

from devstack import cache, jars

CONNECT = "org.apache.kafka:connect-runtime:4.2.0"
DEBEZIUM = "io.debezium:debezium-connector-jdbc:3.4.0.Final"
_LOG4J = "org.apache.logging.log4j"
_LOGGING = tuple(
    f"{_LOG4J}:{name}:2.24.3" for name in ("log4j-api", "log4j-core", "log4j-slf4j-impl")
)
# Drivers of databases that nobody connects to here.
_UNWANTED = (
    "com.microsoft.sqlserver:mssql-jdbc",
    "com.mysql:mysql-connector-j",
    "com.oracle.database.jdbc:ojdbc11",
    "org.mariadb.jdbc:mariadb-java-client",
    # The worker has them; a second copy beside them stops Hibernate.
    "com.fasterxml.jackson.core:jackson-annotations",
    "com.fasterxml.jackson.core:jackson-core",
    "com.fasterxml.jackson.core:jackson-databind",
    "org.slf4j:slf4j-api",
)
_FOLDER = Path(__file__).parent
_CONNECT_LOCK = _FOLDER / "connect_jars.sha256"
_DEBEZIUM_LOCK = _FOLDER / "debezium_jars.sha256"


def connect() -> list[Path]:
    """Return the class path of a Connect worker; downloads what is absent."""
    return jars.ensure(jars.locked(_CONNECT_LOCK), cache.folder() / "connect")


def plugin_path() -> Path:
    """Return the folder whose one subfolder is the connector; downloads what is absent."""
    plugins = cache.folder() / "connect-plugins"
    jars.ensure(jars.locked(_DEBEZIUM_LOCK), plugins / "debezium-connector-jdbc")
    return plugins


def lock() -> None:
    """Write both lock files."""
    head = "# Written by `python -m benchmarks.debezium.jars`.\n"
    connect_lines = jars.lock_lines(CONNECT, alone=_LOGGING)
    _CONNECT_LOCK.write_text(head + connect_lines, encoding="ascii")
    debezium_lines = jars.lock_lines(DEBEZIUM, unwanted=_UNWANTED)
    _DEBEZIUM_LOCK.write_text(head + debezium_lines, encoding="ascii")


if __name__ == "__main__":
    lock()
    print(f"{len(connect())} + {len(list(plugin_path().glob('*/*.jar')))} archives")
