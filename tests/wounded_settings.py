"""Settings as people write them by mistake: what each means, and what cannot be meant."""

from __future__ import annotations

import certifi
from cryptography.fernet import Fernet

from tests.suite import ROOT

KEY, OTHER_KEY = Fernet.generate_key().decode(), Fernet.generate_key().decode()
SECRET = "4f-Kq8_zR2vXw7-Tb1mNc6yHs9pLd3gJa5eUu0iOo_nBfVrCkQtWxZ"

# Setting -> a text, and how the same is written well. Both must give one environment.
MEANT: dict[str, dict[str, str]] = {
    "PUBLIC_BASE_URL": {
        **dict.fromkeys(
            [
                " https://calls.example.org",
                "https://calls.example.org\n",
                "\thttps://calls.example.org\r\n",
                "\u00a0https://calls.example.org",
                "\ufeffhttps://calls.example.org",
                "HTTPS://calls.example.org",
                "hTTpS://CALLS.Example.ORG",
                "https://calls.example.org/",
                "https://calls.example.org//",
                "https://calls.example.org.",
                "https://calls.example.org./",
                "https://calls.example.org:443",
                "https://calls.example.org:443/",
                "https://calls.example.org:",
            ],
            "https://calls.example.org",
        ),
        "HTTPS://Calls.example.org:8443/": "https://calls.example.org:8443",
        "https://[2001:DB8:0::1]": "https://[2001:db8::1]",
        "https://203.0.113.7:443": "https://203.0.113.7",
        "": "",
        "   ": "",
    },
    "ALLOWED_HOSTS": {
        " calls.example.org , B.Example.Org,,": "calls.example.org,b.example.org",
        "calls.example.org.": "calls.example.org",
        "calls.example.org,CALLS.EXAMPLE.ORG": "calls.example.org",
        "calls.example.org,\n  b.example.org": "calls.example.org,b.example.org",
        "calls.example.org,::1": "calls.example.org,[::1]",
        "calls.example.org,[2001:DB8::1]": "calls.example.org,[2001:db8::1]",
        ".Example.org": ".example.org",
        " ": "",
    },
    "ALLOW_LOOPBACK_URLS": {
        **dict.fromkeys(["true", "True", " TRUE ", "yes", "YES", "On", "on", "1", "t", "Y", "true\r"], "true"),
        **dict.fromkeys(["false", "FALSE", "no", "No", "Off", "0", "f", "N", "", " ", "\n"], "false"),
    },
    "SESSION_IDLE_MINUTES": {" 30 ": "30", "030": "30", "": "120", "30\n": "30"},
    "API_RATE": {"\t7": "7", " ": "50"},
    "FIELD_KEYS": {
        f" {KEY} ": KEY,
        f"{KEY},": KEY,
        f"{KEY},{KEY}": KEY,
        f"{KEY} , {OTHER_KEY}": f"{KEY},{OTHER_KEY}",
        f"{KEY},\n{OTHER_KEY}\n": f"{KEY},{OTHER_KEY}",
    },
    "SECRET_KEY": {f" {SECRET}\n": SECRET},
    "METRICS_ALLOW": {
        " 10.0.0.0/8 , ::1": "10.0.0.0/8,::1",
        "::ffff:10.0.0.1": "10.0.0.1",
        "::FFFF:10.0.0.0/104": "10.0.0.0/8",
        "2001:DB8::/32": "2001:db8::/32",
        "": "127.0.0.0/8,::1",
    },
    "TRUSTED_PROXIES": {"10.0.0.1/32": "10.0.0.1", "10.1.0.0/255.255.0.0": "10.1.0.0/16"},
    "ALLOWED_OUTGOING_HOSTS": {
        " PBX.Example.lan ,": "https://pbx.example.lan:443",
        "HTTP://10.0.0.5:8080": "http://10.0.0.5:8080",
    },
    "EMAIL_FROM": {" calls@example.org ": "calls@example.org"},
    "REPLICA_DATABASE_URL": {},  # without PostgreSQL in DATABASE_URL none is taken: tests/test_environment.py
    "SENTRY_DSN": {" https://key@sentry.example.org/7\n": "https://key@sentry.example.org/7", "": ""},
    "OTEL_EXPORTER_OTLP_ENDPOINT": {
        " https://otel.example.org:4318/ ": "https://otel.example.org:4318",
        "https://otel.example.org/tenant/": "https://otel.example.org/tenant",
    },
    "OTEL_EXPORTER_OTLP_HEADERS": {"": "", " , ": ""},
    "DATABASE_POOLER": {" Yes": "true", "": "false"},
    "EXTRA_CA_FILE": {f" {certifi.where()}\n": certifi.where(), "": ""},
    "DIAL_JOURNAL": {" OFF ": "off", "Off": "off", "": "var/journal", " /mnt/journal ": "/mnt/journal"},
    "UPLOADS_DIR": {" /mnt/uploads\n": "/mnt/uploads"},
    "UPLOADS_URL": {
        " S3://key:se%2Fcret@S3.Example.org/files/ ": "s3://key:se%2Fcret@s3.example.org:443/files?tls=true",
        "s3://key:secret@s3.example.org/files/a%20b/": "s3://key:secret@s3.example.org/files/a b".replace(" ", "%20"),
        "s3://s3.example.org/files?tls=YES&region=eu-west-3": "s3://s3.example.org/files?region=eu-west-3",
        "": "",
    },
    "OIDC_NAME": {" Acme ": "Acme", "": "single sign-on"},
    "OIDC_LINK_BY_EMAIL": {"On": "true"},
    "OIDC_TWO_STEP_ALWAYS": {"1": "true"},
    "OIDC_TWO_STEP_AMR": {" mfa , hwk,": "mfa,hwk", " ": "mfa"},
    "OIDC_TWO_STEP_ACR": {" gold,": "gold"},
    "OIDC_SCOPES": {" openid   email ": "openid email"},
    "OIDC_CLIENT_ID": {" trunkline ": "trunkline"},
    "OIDC_CLIENT_SECRET": {" secret\n": "secret"},
    "OIDC_REQUIRED_CLAIMS": {" hd = example.org , ": "hd=example.org", "hd=a.org,acr=1": "hd=a.org,acr=1"},
    "OIDC_ROLES_CLAIM": {" groups ": "groups"},
    "EMAIL_URL": {
        " SUBMISSION://me:p%40ss@Mail.Example.org ": "submission://me:p%40ss@mail.example.org:587?tls=true",
        "smtp://mail.example.org": "smtp://mail.example.org:25?tls=no",
        "smtp://mail.example.org:465?ssl=YES": "smtp://mail.example.org:465?ssl=true",
    },
    "DATABASE_URL": {
        "": f"sqlite:///{ROOT}/var/trunkline.sqlite3",
        "sqlite:///var/mine.sqlite3": f"sqlite:///{ROOT}/var/mine.sqlite3",
        "sqlite:///mine.sqlite3": f"sqlite:///{ROOT}/mine.sqlite3",
        "sqlite:///./var/../mine.sqlite3": f"sqlite:///{ROOT}/mine.sqlite3",
        " SQLITE:///mine.sqlite3\n": f"sqlite:///{ROOT}/mine.sqlite3",
        "sqlite://:memory:": "sqlite://",
        "sqlite:///my file.sqlite3": "sqlite:///my%20file.sqlite3",
        "postgres://u:p@db/name": "postgresql://u:p@db/name",
        "PostgreSQL://u:p@DB.Example.org/name": "postgresql://u:p@db.example.org/name",
        "postgresql://db/name?user=u&password=p%40w": "postgresql://u:p%40w@db/name",
        "postgresql:///name?host=%2Frun%2Fpostgresql": "postgresql://%2Frun%2Fpostgresql/name",
        "postgresql://db/name?options=-c%20lock_timeout%3D1000&currentSchema=calls": (
            "postgresql://db/name?options=-c lock_timeout=1000 -c search_path=calls".replace(" ", "%20")
        ),
    },
}

# Setting -> texts that are refused.
REFUSED: dict[str, list[str]] = {
    "PUBLIC_BASE_URL": [
        *("calls.example.org", "//calls.example.org", "https:calls.example.org", "https:/calls.example.org"),
        *("http://calls.example.org", "HTTP://calls.example.org", "htps://calls.example.org", "wss://calls.example.org"),
        *("https://", "https:///", "https://calls example.org", "https://calls.example .org", "https ://a.example.org"),
        *("https://calls.example.org:80a", "https://calls.example.org:0", "https://calls.example.org:65536"),
        *("https://calls.example.org:-1", "https://calls.example.org:+443", "https://calls.example.org:\uff14\uff14\uff13"),
        *("https://calls.example.org/trunkline", "https://calls.example.org/admin/", "https://calls.example.org/%2e"),
        *("https://user@calls.example.org", "https://user:pw@calls.example.org", "https://@calls.example.org"),
        *("https://calls.example.org?x=1", "https://calls.example.org/?", "https://calls.example.org#top"),
        *("https://calls.example.org/#", "https://calls.example.org\\@evil.example", "https://*.example.org"),
        *('"https://calls.example.org"', "'https://calls.example.org'", "\u201chttps://calls.example.org\u201d"),
        *("https://calls_one.example.org", "https://-calls.example.org", "https://calls..example.org"),
        *("https://127.1", "https://0x7f000001", "https://2130706433", "https://256.1.1.1", "https://010.0.0.1"),
        *("https://[::1", "https://[fe80::1%25eth0]", "https://[v1.a]", "https://bücher.example", "https://calls。org"),
        *("https://${HOST}", "https://calls\n.example.org", "https://calls\u200b.example.org", "https://" + "a" * 64),
        *("https://a.example.org,https://b.example.org", "http://127.0.0.1:8001", "http://localhost"),
    ],
    "ALLOWED_HOSTS": [
        *("https://calls.example.org/", "http://calls.example.org", "calls.example.org/", "calls.example.org:443"),
        *("*", "*.example.org", "calls.example.org,*", "a.example.org b.example.org", "a.example.org;b.example.org"),
        *('"calls.example.org"', "'a.example.org','b.example.org'", "['calls.example.org']", "user@calls.example.org"),
        *("calls.example.org,'b.example.org'", "..example.org", ".", "calls_one.example.org", "[::1]:8000", "$(HOST)"),
    ],
    "DEBUG": ["fasle", "ture", "2", "-1", "none", "null", '"true"', "truefalse", "true,false", "дa", "yes!"],
    "ALLOW_LOOPBACK_URLS": ["perhaps", "1.0", "00"],
    "SESSION_IDLE_MINUTES": [
        *("0", "721", "-5", "+5", "2h", "120 minutes", "120m", "1_0", "12.0", "1e2", "0x10", "many", "1,2"),
        *("\u0663\u0660", "99" * 40),
    ],
    "API_RATE": ["0", "50/s", "-1", "1000001", "50 requests"],
    "API_BURST": ["lots", "0"],
    "ENGINE_PROCESSES": ["0", "33", "two", "auto"],
    "ENGINE_SLICES": ["0", "33", "many"],
    "WAIT_FOR_MIGRATIONS": ["10m", "-1", "true"],
    "SECRET_KEY": [
        *(" ", "''", '""', "short", "changeme", "k" * 50, "django-insecure-" + SECRET, f'"{SECRET}"', f"'{SECRET}'"),
        *("${SECRET_KEY}", SECRET + " " + SECRET, SECRET[:31], "…", "{{ secret_key }}" + SECRET),
    ],
    "FIELD_KEYS": [
        *(" ", "short", f"{KEY},nonsense", f'"{KEY}"', f"{KEY} {OTHER_KEY}", f"{KEY};{OTHER_KEY}", KEY[:-1], KEY[:-2]),
        *(f"{KEY}{OTHER_KEY}", f"{KEY[:20]} {KEY[20:]}", f"{KEY[:5]}!{KEY[5:]}", "${FIELD_KEYS}"),
    ],
    "METRICS_ALLOW": ["everybody", "10.0.0.1:80", "10.0.0.0/33", "10.0.0.1/8", "127.1", "[::1]", "10.0.0.0-9", "*"],
    "TRUSTED_PROXIES": [
        *("nginx", "10.0.0.1/8", "10.0.0.1,0.0.0.0/0", "::/0", "0.0.0.0/1,128.0.0.0/1", "::ffff:0:0/96", "all", "*"),
    ],
    "ALLOWED_OUTGOING_HOSTS": [
        *("*.example.lan", "pbx.example.lan,169.254.169.254", "pbx.example.lan/path", "ftp://pbx.example.lan", "*"),
        *("user@pbx.example.lan", "pbx example.lan", "pbx.example.lan:99999", '"pbx.example.lan"'),
    ],
    "EMAIL_URL": [
        *("mail.example.org", "carrier-pigeon://mail.example.org", "smtp://mail.example.org:many", "smtp://", "smtps://m.org"),
        *("smtp://u:p%zz@mail.example.org", "smtp://u:p#w@mail.example.org", "smtp://mail.example.org:465"),
        *("smtp://mail.example.org?sssl=true", "smtp://mail.example.org?ssl=ture", "smtp://mail.example.org?ssl=true&tls=true"),
        *("smtp://mail.example.org?tls=true&tls=false", "smtp://mail.example.org/inbox", "file://tmp"),
        "smtp://a b.org",
    ],
    "DATABASE_POOLER": ["maybe", "pgbouncer"],
    "REPLICA_DATABASE_URL": [
        *("sqlite:///mine.sqlite3", "sqlite://", "mysql://u:p@db/name", "postgresql://u:p@db", "postgresql://u:p@db/name"),
        *("postgresql://u:p@db/name?pool=true", "postgresql://u:p@db:port/name"),
    ],
    "SENTRY_DSN": [
        *("sentry.example.org", "https://sentry.example.org/7", "https://key@sentry.example.org", "ftp://key@s.org/7"),
        *("https://u:p@sentry.example.org/7", "https://key@sentry.example.org/seven", "https://key@s.org/7?x=1"),
        *("http://key@sentry.example.org/7", "https://key@127.0.0.1/7", '"https://key@s.org/7"', "https://key@s.org:x/7"),
    ],
    "OTEL_EXPORTER_OTLP_ENDPOINT": [
        *("otel.example.org:4318", "grpc://otel.example.org:4317", "http://otel.example.org:4318", "https://"),
        *("https://otel.example.org/v1/traces", "https://u:p@otel.example.org", "https://otel.example.org?x=1"),
        *("https://otel.example.org:port", "https://otel example.org", "${OTEL}"),
    ],
    "OTEL_EXPORTER_OTLP_HEADERS": ["api-key", "=secret", "api-key=", "a=1,a=2", "api key=1", "api-key=1"],
    "DIAL_JOURNAL_DAYS": ["0", "3651", "35 days"],
    "DIAL_JOURNAL": [
        "/mnt/journal  # the second disk",
        *('"var/journal"', "${JOURNAL}", "false", "No", "0", "None", "null", "f", "n"),
        *("true", "YES", "On", "1", "t", "y"),
        *("~/journal", "~trunkline/journal", "../journal", "/var/lib/../journal", "var/.."),
        *("$HOME/journal", "/srv/$USER/journal"),
    ],
    "EXTRA_CA_FILE": [
        *("authorities.pem", "./authorities.pem", "~/authorities.pem", "$HOME/authorities.pem", "/nowhere/all.pem"),
        *("/", "/etc/hostname", "true", "-----BEGIN CERTIFICATE-----", f"{certifi.where()},{certifi.where()}"),
    ],
    "UPLOADS_DIR": ["/mnt/uploads # the second disk", "uploads", "./uploads", "~/uploads", "/srv/$USER/uploads", "s3://bucket"],
    "UPLOADS_URL": [
        *("files", "https://s3.example.org/files", "s3:/files", "s3://files", "s3://s3.example.org", "s3://s3.example.org/"),
        *("s3://u:p@s3.example.org/Files", "s3://u:p@s3.example.org/ab", "s3://u:p@s3.example.org/-files"),
        *("s3://u@s3.example.org/files", "s3://:p@s3.example.org/files", "s3://u:p/w@s3.example.org/files"),
        *("s3://u:p@s3.example.org:port/files", "s3://u:p%zz@s3.example.org/files", "s3://u:p@s3.example.org/files#a"),
        *("s3://u:p@s3.example.org/files?tsl=true", "s3://u:p@s3.example.org/files?tls=maybe", "s3://u:p@/files"),
        *("s3://u:p@s3.example.org/files?region=", "s3://u:p@s3.example.org/files?region=a&region=b"),
        *("s3://u:p@s3.example.org/files/../other", "s3://u:p@s3.example.org/files/a//x", "s3://u:p@s3.example.org/files?x"),
        *("s3://u:p@s3.example.org/files?tls=false", "s3://u:p@127.0.0.1/files", "s3://u:p@localhost:9000/files?tls=false"),
        *('"s3://u:p@s3.example.org/files"', "s3://${KEY}@s3.example.org/files", "s3://u:p@s3 example.org/files"),
    ],
    "OIDC_ISSUER": [
        *("http://id.example.org", "id.example.org", "https://", "https://id.example.org:port"),
        "https://id example.org",
        "https://id.example.org/.well-known/openid-configuration",
        *("https://id example.org", f"https://id.example.org/{'x' * 240}"),
        *("https://id.example.org?x=1", "https://user:password@id.example.org", '"https://id.example.org"'),
    ],
    "OIDC_REQUIRED_CLAIMS": ["hd", "=example.org", "hd=", "hd=a,hd=b"],
    "OIDC_SCOPES": ["email", "profile,openid"],
    "OIDC_ROLES": ["a=b", "[]", "{}", "{", '{"a": "b"}', '{"a": {"Acme": "admin"}}'],
    "OIDC_LINK_BY_EMAIL": ["sometimes"],
    "OIDC_CLIENT_SECRET": ["'hidden'"],
    "EMAIL_FROM": ["calls", "calls@", "@example.org", "calls@example.org, b@example.org", "a@b.org\nBcc: c@d.org"],
    "DATABASE_URL": [
        *("mysql://u:p@db/name", "postgresql+psycopg://u:p@db/name", "db/name", "postgresql:/db/name", "oracle://db/x"),
        *("postgresql://u:p@db", "postgresql://u:p@db/", "postgresql://u:p@db:port/name", "postgresql://u:p@db:0/name"),
        *("postgresql://u:p@db:65536/name", "postgresql://u:p@db:5432a/name", "postgresql://u:p w@db/name"),
        *("postgresql://u:p#w@db/name", "postgresql://u:p/w@db/name", "postgresql://u:p?w@db/name", "postgresql://u:100%@db/name"),
        *("postgresql://u:p@db/name?sslmode=requre", "postgresql://db/name?ssl=true", "postgresql://db/name?pool=true"),
        *("postgresql://db/name?sslmode=require&sslmode=disable", "postgresql://u@db/name?user=v", "postgresql://db/name?x"),
        *("postgresql://db/name?currentSchema=a%3Bb", '"postgresql://u:p@db/name"', "postgresql://${HOST}/name"),
        *("sqlite://var/mine.sqlite3", "sqlite:/mine.sqlite3", "sqlite:///~/mine.sqlite3", "sqlite:///", "sqlite:///var/"),
        *("sqlite:////nonexistent/folder/name.sqlite3", "sqlite:////tmp", "sqlite:///mine.sqlite3?mode=ro"),
    ],
}  # fmt: skip
