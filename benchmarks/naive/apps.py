from django.apps import AppConfig


class Naive(AppConfig):
    name = "benchmarks.naive"
    label = "naive"
