from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0001_initial")]

    operations = [
        migrations.AlterField(
            model_name="job",
            name="kind",
            field=models.CharField(
                choices=[
                    ("evaluate", "Evaluate an experiment"),
                    ("calibrate", "Check the statistics on recent users"),
                ],
                max_length=20,
            ),
        ),
    ]
