"""The addresses of the pages for signing in. They come before the admin's own, whose pages they replace."""

from __future__ import annotations

from django.urls import path

from tenants.backoffice.sign_in.password_pages import NewPasswordView, own_password, reset_request, reset_sent
from tenants.backoffice.sign_in.provider_pages import done, start
from tenants.backoffice.sign_in.sessions_page import session_state, sessions_page
from tenants.backoffice.sign_in.sign_in_pages import SignInView, code_page
from tenants.backoffice.sign_in.two_step_page import two_step_page

urlpatterns = [
    path("login/", SignInView.as_view(), name="sign-in"),
    path("login/code/", code_page, name="two-step-code"),
    path("login/provider/", start, name="provider-sign-in"),
    path("login/provider/done/", done, name="provider-sign-in-done"),
    path("password_change/", own_password, name="own-password"),
    path("password-reset/", reset_request, name="password-reset"),
    path("password-reset/sent/", reset_sent, name="password-reset-sent"),
    path("password-reset/<uidb64>/<token>/", NewPasswordView.as_view(), name="password-reset-new"),
    path("two-step/", two_step_page, name="two-step"),
    path("session/", session_state, name="session"),
    path("my-sessions/", sessions_page, name="my-sessions"),
]
