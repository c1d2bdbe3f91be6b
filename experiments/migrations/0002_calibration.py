from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("experiments", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="CalibrationRecord",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("unit", models.CharField(choices=[("user", "user"), ("impression", "impression")], max_length=20)),
                ("metric_key", models.CharField(max_length=63)),
                ("method", models.CharField(max_length=20)),
                ("computed_at", models.DateTimeField()),
                ("lake_version", models.BigIntegerField()),
                ("code_version", models.CharField(max_length=40)),
                ("days", models.PositiveSmallIntegerField()),
                ("runs", models.PositiveIntegerField()),
                ("units", models.PositiveBigIntegerField()),
                ("alpha", models.FloatField()),
                ("false_positives", models.FloatField(null=True)),
                ("coverage", models.FloatField(null=True)),
                ("uniformity_p", models.FloatField(null=True)),
                ("passed", models.BooleanField()),
                ("reasons", models.JSONField(blank=True, default=list)),
            ],
            options={
                "indexes": [models.Index(fields=["unit", "-computed_at"], name="calibration_latest")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("unit", "metric_key", "method", "lake_version"), name="one_calibration_per_input"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("passed", False), ("false_positives__isnull", False), _connector="OR"),
                        name="calibration_passes_only_with_figures",
                    ),
                ],
            },
        ),
    ]
