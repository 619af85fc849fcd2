import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()
_ = get_resolver().url_patterns  # the code of every page is here before the first visitor
gc.collect()
gc.freeze()  # and stays: the collector would walk all of it again and again, a tenth of a second each time
