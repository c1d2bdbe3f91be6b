import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_recommend"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="apikey", name="api_key_scope_is_known"),
        # one scope is a list of one word
        migrations.RenameField(model_name="apikey", old_name="scope", new_name="scopes"),
        migrations.AlterField(model_name="apikey", name="scopes", field=models.CharField(max_length=100)),
        migrations.AddField(
            model_name="apikey",
            name="kind",
            field=models.CharField(
                choices=[("server", "Server"), ("client", "Client")], default="server", max_length=10
            ),
        ),
        migrations.AddField(
            model_name="apikey",
            name="client_key",
            field=models.CharField(blank=True, default="", max_length=64),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="apikey",
            name="origins",
            field=models.TextField(blank=True, default=""),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="apikey",
            name="per_second",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="apikey",
            name="last_used_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="apikey",
            name="successor",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="before",
                to="accounts.apikey",
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["server", "client"])), name="api_key_kind_is_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind", "server"),
                    ("scopes__in", ["write_events", "evaluate", "evaluate write_events"]),
                    _connector="OR",
                ),
                name="api_key_client_cannot_read",
            ),
        ),
    ]
