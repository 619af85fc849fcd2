"""The naive project's settings: the libraries' defaults."""

from __future__ import annotations

import os

import dj_database_url

SECRET_KEY = "k" * 50
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["django.contrib.contenttypes", "django_q", "import_export", "benchmarks.naive"]
ROOT_URLCONF = "benchmarks.naive.urls"
# Django's default closes the connection after each task.
CONN_MAX_AGE = int(os.environ.get("NAIVE_CONN_MAX_AGE", "0"))
DATABASES = {"default": dj_database_url.parse(os.environ["DATABASE_URL"], conn_max_age=CONN_MAX_AGE)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
Q_CLUSTER = {"name": "naive", "orm": "default"}
