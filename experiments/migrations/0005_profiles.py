from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("experiments", "0004_exploration")]

    operations = [
        migrations.AddField(
            model_name="experiment",
            name="profile_covariates",
            field=models.JSONField(blank=True, default=list),
        ),
    ]
