"""Settings of Winnow. What an installation may want to change comes from WINNOW_* variables (docs/settings.md)."""

from __future__ import annotations

from pathlib import Path

import dj_database_url
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from winnow import environment

PACKAGE = Path(__file__).resolve().parent
HOME = environment.home()
RUNTIME = environment.runtime_folder(HOME)

DEBUG = environment.flag("WINNOW_DEBUG", default=False)
SECRET_KEY = environment.secret_key(HOME)
ALLOWED_HOSTS = environment.words("WINNOW_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = environment.words("WINNOW_TRUSTED_ORIGINS", "")
SECURE_COOKIES = environment.flag("WINNOW_SECURE_COOKIES", default=False)

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "django_htmx",
    "ninja",
    "experiments",
    "recommenders",
    "winnow.accounts",
    "winnow.catalog",
    "winnow.events",
    "winnow.jobs",
    "winnow.web",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "winnow.accounts.middleware.DenyByDefault",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "winnow.urls"
WSGI_APPLICATION = "winnow.wsgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

DATABASES = {
    "default": dj_database_url.parse(environment.text("WINNOW_DATABASE_URL", f"sqlite:///{HOME}/winnow.sqlite3"))
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # The last connection to close folds the log into the database, which would happen after nearly every request.
    DATABASES["default"]["CONN_MAX_AGE"] = None
    # An acknowledged event must survive a power cut (synchronous=FULL); writers queue instead of failing (IMMEDIATE).
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
else:
    DATABASES["default"] |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "experiments"
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 1  # hours
AXES_LOCKOUT_TEMPLATE = "login/locked.html"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("简体中文"))]
LOCALE_PATHS = [PACKAGE / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = environment.text("WINNOW_TIME_ZONE", "UTC")

STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "connect-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# Bodies above this are refused (413) before they are parsed; the Segment protocol's own bound for a batch is 500 kB.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000

LAKE = Path(environment.text("WINNOW_LAKE", str(HOME / "lake")))
BROKER_SOCKET = RUNTIME / "broker.sock"
BROKER_IS_EMBEDDED = not environment.text("WINNOW_BROKER_URL", "")
BROKER_URL = environment.text("WINNOW_BROKER_URL", f"redis+socket://{BROKER_SOCKET}")

ENGINE_MEMORY = environment.text("WINNOW_ENGINE_MEMORY", "2GB")
ENGINE_THREADS = environment.number("WINNOW_ENGINE_THREADS", 2)

# How long a strategy may take for one user before others' favourites are shown instead.
SERVING_BUDGET_MS = environment.number("WINNOW_SERVING_BUDGET_MS", 100)
