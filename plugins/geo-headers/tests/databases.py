# Prints databases that mmdb-writer made, and what MaxMind's own reader finds in them, as JSON; with the word `sample`, the small one of tests.yaml.
import base64
import json
import random
import sys
import tempfile

import maxminddb
from mmdb_writer import MMDBWriter
from netaddr import IPSet

random.seed(3)


def written(records, kind, **options):
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type=kind, **options)
    for networks, record in records:
        writer.insert_network(IPSet(networks), record)
    with tempfile.NamedTemporaryFile(suffix=".mmdb") as file:
        writer.to_db_file(file.name)
        with open(file.name, "rb") as done:
            return done.read(), maxminddb.open_database(file.name, maxminddb.MODE_MEMORY)


def sample():
    cloud = {"autonomous_system_number": 64500, "autonomous_system_organization": "Example Cloud"}
    return written(
        [
            (["203.0.113.0/24"], {"country": {"iso_code": "CN"}, **cloud}),
            (["198.51.100.0/25"], {"country": {"iso_code": "DE"}}),
            (["198.51.100.128/25"], {"country": {"iso_code": "FR"}}),
            (["2001:db8::/32"], {"country": {"iso_code": "JP"}, "autonomous_system_number": 64501, "autonomous_system_organization": "日本例"}),
            (["192.0.2.0/24"], {"country": {"iso_code": "lower"}, "autonomous_system_organization": "line\nbreak"}),
        ],
        "sample",
    )


def address():
    return ".".join(str(random.randrange(1, 224)) for _ in range(4))


def shape(kind, country, asn, name):
    return {
        "maxmind": {"country": {"iso_code": country}, "autonomous_system_number": asn, "autonomous_system_organization": name},
        "ip-location-db": {"country_code": country, "autonomous_system_number": asn, "autonomous_system_organization": name},
        "ipinfo": {"country_code": country, "asn": f"AS{asn}", "as_name": name},
    }[kind]


def database(kind):
    records = []
    for _ in range(300):
        prefix = random.choice([8, 12, 16, 20, 24, 26, 30, 32])
        country = random.choice(["CN", "DE", "US", "JP", "BR"])
        records.append(([f"{address()}/{prefix}"], shape(kind, country, random.randrange(1, 400_000), f"Operator {random.randrange(99)}")))
    for number in range(50):
        records.append(([f"2001:db8:{number:x}::/{random.choice([48, 56, 64])}"], shape(kind, "NL", 64500 + number, "Six")))
    data, reader = written(records, kind)
    looked = []
    networks = [network for networks, _ in records for network in networks]
    for place in range(1500):
        if place % 3:
            text = address()
        elif place % 2:
            text = f"2001:db8:{random.randrange(60):x}::{random.randrange(9999):x}"
        else:
            text = random.choice(networks).split("/")[0]
        found = reader.get(text) or {}
        country = found.get("country_code") or found.get("country", {}).get("iso_code", "")
        asn = found.get("autonomous_system_number") or str(found.get("asn", "")).removeprefix("AS")
        name = found.get("autonomous_system_organization") or found.get("as_name", "")
        looked.append({"address": text, "country": country, "asn": str(asn), "name": name})
    return {"kind": kind, "value": base64.b64encode(data).decode(), "looked": looked}


if sys.argv[1:] == ["sample"]:
    print(base64.b64encode(sample()[0]).decode())
else:
    print(json.dumps([database(kind) for kind in ["maxmind", "ip-location-db", "ipinfo"]]))
