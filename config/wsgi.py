import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()
_ = get_resolver().url_patterns  # imports the code of every page before the first request
gc.collect()
gc.freeze()  # the garbage collector skips it from now on: each pass over it takes a tenth of a second
