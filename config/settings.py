"""Django's settings. Settings that an operator can change are in `environment.py`."""

from __future__ import annotations

import zoneinfo
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF

from calls.deadlines import CLUSTER_TIMING
from config.database_url import Database
from config.environment import read
from config.openapi.overview import DESCRIPTION, ENUM_NAMES
from config.setting_types import OFF
from config.unfold import UNFOLD as UNFOLD
from tenants.db.time_limits import with_options

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"
ENVIRONMENT = read(VAR_DIR)

DEBUG = ENVIRONMENT.debug
SECRET_KEY = ENVIRONMENT.secret_key
FIELD_KEYS = ENVIRONMENT.field_keys
PUBLIC_BASE_URL = str(ENVIRONMENT.public_base_url)
ALLOW_LOOPBACK_URLS = ENVIRONMENT.allow_loopback_urls
ALLOWED_OUTGOING_HOSTS = ENVIRONMENT.allowed_outgoing_hosts
EXTRA_CA_FILE = ENVIRONMENT.extra_ca_file
ENGINE_PROCESSES = ENVIRONMENT.processes
WAIT_FOR_MIGRATIONS = ENVIRONMENT.wait_for_migrations
API_RATE = ENVIRONMENT.api_rate
API_BURST = ENVIRONMENT.api_burst
METRICS_ALLOW = ENVIRONMENT.metrics_allow
DIAL_JOURNAL = None if ENVIRONMENT.dial_journal == OFF else BASE_DIR / ENVIRONMENT.dial_journal
DIAL_JOURNAL_DAYS = ENVIRONMENT.dial_journal_days
TRUSTED_PROXIES = ENVIRONMENT.trusted_proxies
TRACES_TO = ENVIRONMENT.otel_exporter_otlp_endpoint
TRACES_HEADERS = dict(ENVIRONMENT.otel_exporter_otlp_headers)
SIGN_IN_PROVIDER = ENVIRONMENT.sign_in_provider
ALLOWED_HOSTS = ENVIRONMENT.hosts

INSTALLED_APPS = [
    "config",  # first: its `createsuperuser` replaces Django's
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin.apps.SimpleAdminConfig",  # config/urls.py loads the pages: a worker has none
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "django_q",
    "axes",
    "tenants",
    "providers",
    "campaigns",
    "calls",
]

MIDDLEWARE = [
    "tenants.client_address.TrustedProxyMiddleware",
    "tenants.middleware.RequestIdMiddleware",
    *(["config.traces.TraceRequests"] if ENVIRONMENT.otel_exporter_otlp_endpoint else []),
    "tenants.audit_origin.AuditOriginMiddleware",
    "config.operations.CountAnswers",
    "config.time_limits.StatementLimits",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "config.probes.CheckHost",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "tenants.backoffice.languages.middleware.TranslatePages",
    "tenants.backoffice.roles.LocalTimeMiddleware",
    "tenants.backoffice.sign_in.middleware.SessionActivityMiddleware",
    "tenants.backoffice.sign_in.middleware.UnsavedFormMiddleware",
    "tenants.backoffice.sign_in.middleware.TwoStepMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "tenants.backoffice.once.OnceMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
    "tenants.backoffice.unreadable_secrets.UnreadableSecretMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False  # a POST must never be turned into a GET by a redirect

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    ["tenants.backoffice.isolating.FilesystemLoader", "tenants.backoffice.isolating.AppLoader"],
                )
            ],
            "builtins": ["tenants.backoffice.isolating", "tenants.backoffice.once_tags"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "tenants.backoffice.places.context",
                "config.manual.help.context",
            ],
        },
    }
]


def database(given: Database) -> dict[str, Any]:
    """Return Django's settings of a database."""
    found: dict[str, Any] = {"NAME": given.name, "USER": given.user, "PASSWORD": given.password}
    found |= {"HOST": given.host, "PORT": given.port}
    if given.kind == "sqlite":
        found["ENGINE"] = "django.db.backends.sqlite3"
        VAR_DIR.mkdir(parents=True, exist_ok=True)
        # IMMEDIATE: every transaction takes the write lock at its start, so two claims never read the same rows.
        # FULL: a `placing` row lost in a crash would let a call be placed twice.
        found["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-20000;",
        }
        # A file, not memory: each thread of the engine has its own connection. Parallel runs get one file each.
        found["TEST"] = {"NAME": VAR_DIR / "test.sqlite3"}
    else:
        found["ENGINE"] = "tenants.db.postgresql"
        found["CONN_HEALTH_CHECKS"] = True
        # The server closes the connection of a process that freezes inside a transaction, which frees its locks. It
        # comes last, so that what the operator gave does not change it.
        ours = "-c idle_in_transaction_session_timeout=60000"
        options = {**given.options, "options": f"{given.options.get('options', '')} {ours}".strip()}
        # A server that vanished is noticed within 25 s. Without this a thread would wait for it for hours, silently.
        vanished = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}
        found["OPTIONS"] = {"connect_timeout": 10, **vanished, **options}
        # Behind a pooler, a cursor of the server ends with the transaction: rows are read in parts instead.
        found["POOLER"] = found["DISABLE_SERVER_SIDE_CURSORS"] = ENVIRONMENT.database_pooler
    found["CONN_MAX_AGE"] = 60  # not a pool: forked workers would share its sockets
    return found


DATABASES = {"default": database(ENVIRONMENT.database_url)}
STATEMENT_SECONDS, LONG_STATEMENT_SECONDS = 5, 120  # of the web process: see config/time_limits.py
if ENVIRONMENT.replica_database_url:
    limit: dict[str, object] = {"statement_timeout": LONG_STATEMENT_SECONDS * 1000}
    DATABASES["replica"] = with_options(database(ENVIRONMENT.replica_database_url), limit, connect_timeout=2)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": VAR_DIR / "cache"},
}

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("username", "email", "first_name", "last_name")},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
    {"NAME": "tenants.sign_in.passwords.DistinctCharactersValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
AXES_CLIENT_IP_CALLABLE = "tenants.client_address.client_network"
# django-axes counts the failures of one user from one address: 8 in a row close that address to that user for 15
# minutes. Tries in between are not counted, so nobody extends the time. Delays by user alone, which a stranger can
# cause from anywhere, are never longer than a minute (tenants/sign_in/sign_in_limits.py).
AXES_COOLOFF_TIME = 0.25  # hours; the default is for ever
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 8
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_WHITELIST_CALLABLE = "tenants.sign_in.sign_in_limits.is_known_browser"
AXES_LOCKOUT_CALLABLE = "tenants.backoffice.sign_in.sign_in_pages.locked_out"
AXES_DISABLE_ACCESS_LOG = True
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "next"]  # not stored: a page's address may have a search in it
PASSWORD_RESET_TIMEOUT = 3600
EMAIL = ENVIRONMENT.email_url
EMAIL_CONFIGURED = bool(EMAIL)
EMAIL_BACKEND, EMAIL_HOST, EMAIL_PORT = EMAIL.backend, EMAIL.host, EMAIL.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = EMAIL.user, EMAIL.password
EMAIL_USE_TLS, EMAIL_USE_SSL, EMAIL_FILE_PATH = EMAIL.starttls, EMAIL.tls, EMAIL.folder
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = ENVIRONMENT.email_from
SESSION_ENGINE = "tenants.sign_in.sessions"
SESSION_COOKIE_AGE = 12 * 3600  # from signing in, however active
SESSION_IDLE_SECONDS = ENVIRONMENT.session_idle_minutes * 60
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ENVIRONMENT.https
SESSION_COOKIE_NAME = ENVIRONMENT.cookie_name("session")
CSRF_COOKIE_NAME = ENVIRONMENT.cookie_name("csrf")
MESSAGES_COOKIE_NAME = ENVIRONMENT.cookie_name("messages")
KNOWN_BROWSER_COOKIE_NAME = ENVIRONMENT.cookie_name("browser")
SIGN_IN_COOKIE_NAME = ENVIRONMENT.cookie_name("sign_in", host_only=False)
MESSAGE_STORAGE = "tenants.backoffice.message_storage.Storage"
SECURE_SSL_REDIRECT = ENVIRONMENT.https
SECURE_SSL_HOST = ENVIRONMENT.public_base_url.place if ENVIRONMENT.https else None  # not the port of http
SECURE_HSTS_SECONDS = 31_536_000 if ENVIRONMENT.https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = ENVIRONMENT.https
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ENVIRONMENT.https else None
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]
DATA_UPLOAD_MAX_NUMBER_FIELDS = 3_000  # a segment may have 20 conditions with 50 tags each
X_FRAME_OPTIONS = "DENY"
CSRF_TRUSTED_ORIGINS = [PUBLIC_BASE_URL] if PUBLIC_BASE_URL else []

# Scripts are our files: none is inline and none uses eval (docs/third-party.md). The admin theme sets styles inline.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF, "'unsafe-inline'"],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

LANGUAGE_CODE = "en-us"
USE_I18N = False  # the program writes English, and pages are translated on their way out (ADR 23)
TIME_ZONE = "UTC"
# Clocks come from the pinned `tzdata` package, as the countries' zones do. Python prefers the tables of the machine,
# which may be older: a country that has changed its clocks would be called an hour wrong.
zoneinfo.reset_tzpath(to=())
zoneinfo.ZoneInfo.clear_cache()
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = Path(ENVIRONMENT.uploads_dir or VAR_DIR / "uploads")  # never served
STORAGES = {
    "default": ENVIRONMENT.uploads_url.storage or {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage" if DEBUG else "config.static_files.Storage"
    },
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # for API bodies; file uploads have their own limit
IMPORT_MAX_BYTES = 512 * 1024 * 1024

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "tenants.api.authentication.ApiKeyAuthentication",
        "tenants.api.authentication.StaffSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["tenants.api.permissions.MayDo"],
    "DEFAULT_THROTTLE_CLASSES": ["tenants.api.throttling.CallerThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["tenants.api.rendering.FastJSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["tenants.api.parsing.StrictJSONParser"],
    "EXCEPTION_HANDLER": "tenants.api.errors.exception_handler",
    "DEFAULT_PAGINATION_CLASS": "tenants.api.pagination.CursorPages",
    "DEFAULT_FILTER_BACKENDS": ["tenants.api.filters.StrictFilters"],
    "UNAUTHENTICATED_USER": None,
    "COERCE_DECIMAL_TO_STRING": True,
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_SCHEMA_CLASS": "config.openapi.schema.ContractSchema",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Trunkline",
    "DESCRIPTION": DESCRIPTION,
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "LICENSE": {"name": "MIT"},
    "SERVERS": [{"url": PUBLIC_BASE_URL or "/"}],
    "SCHEMA_PATH_PREFIX": r"/api(/v1)?",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": ENUM_NAMES,
    "GET_MOCK_REQUEST": "config.openapi.schema.mock_request",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.openapi.document.add_common_parts",
    ],
    "DISABLE_DOCSTRING_DESCRIPTIONS": True,
}

# The task queue only wakes the workers; the work is in rows of the database. Each worker has its own queue, and a
# process of ours that runs its tasks (calls/engine/task_process.py).
Q_CLUSTER: dict[str, Any] = {
    "name": "trunkline",
    "orm": "default",
    "workers": 2,  # one upkeep task, and its successor while it ends
    "bulk": 1,
    "timeout": CLUSTER_TIMING.alarm,
    "retry": CLUSTER_TIMING.retry,
    "max_attempts": 1,
    "ack_failures": True,
    "save_limit": 100,
    "poll": 0.5,
    "log_level": "WARNING",
    "label": "Background tasks",
}

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "config.logs.Formatter"}},
    "handlers": {"stderr": {"class": "tenants.db.outage_log.Handler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {
            "handlers": [],
            "level": "INFO",
            "propagate": True,
        },  # only the root handler, which masks phone numbers
        "django.server": {"handlers": [], "level": "INFO", "propagate": True},
        "httpx": {"level": "WARNING"},
        "django-q": {"level": "WARNING"},
        "axes": {"level": "ERROR"},
        "waitress.queue": {"level": "ERROR"},  # it warns of every request that waits for a thread
        "opentelemetry": {"level": "ERROR"},  # it warns of each time that the collector did not answer
    },
}
if ENVIRONMENT.sentry_dsn:
    LOGGING["handlers"]["sentry"] = {"()": "config.error_reports.Handler", "dsn": ENVIRONMENT.sentry_dsn}
    LOGGING["root"]["handlers"].append("sentry")
