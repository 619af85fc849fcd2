import django.core.validators
import django.db.models.deletion
import django.utils.timezone
import providers.adapters.registry
import providers.validators
import providers.urls_allowed
import tenants.db.encrypted_fields
import tenants.models.validators
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('tenants', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='ProviderAccount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name='id')),
                ('provider', models.CharField(choices=providers.adapters.registry.choices, max_length=32)),
                ('name', models.CharField(max_length=200)),
                ('base_url', models.CharField(max_length=500, validators=[providers.urls_allowed.check_base_url], verbose_name='address')),
                ('credentials', tenants.db.encrypted_fields.EncryptedJSONField(default=dict, editable=False)),
                ('options', models.JSONField(blank=True, default=dict)),
                ('calls_per_second', models.DecimalField(decimal_places=3, default=1, max_digits=7)),
                ('max_open_calls', models.PositiveIntegerField(default=10)),
                ('reads_per_second', models.DecimalField(decimal_places=3, default=5, max_digits=7)),
                ('max_unconfirmed', models.PositiveIntegerField(blank=True, default=5, help_text='More unconfirmed calls than this block the provider account.', null=True)),
                ('price_per_minute', models.DecimalField(blank=True, decimal_places=6, max_digits=14, null=True)),
                ('price_per_minute_currency', models.CharField(default='USD', max_length=3)),
                ('reserved_minutes', models.DecimalField(decimal_places=2, default=3, help_text='Budgets set aside the price of this many minutes for each call until its cost is known.', max_digits=6, validators=[django.core.validators.MinValueValidator(0)])),
                ('daily_budget', models.DecimalField(blank=True, decimal_places=4, help_text="Limit per day in the organization's time zone, in the currency of the price. Empty: no limit. Only a call whose price is not known yet can cost more than was set aside for it.", max_digits=14, null=True)),
                ('longest_call_minutes', models.PositiveIntegerField(default=120, help_text='Minutes after which an open call is overdue: its line is free again, and it is read less often.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(1440)], verbose_name='longest call')),
                ('time_zone', models.CharField(blank=True, help_text='The zone of times that the provider sends without one. Empty: such times are not shown.', max_length=64, validators=[tenants.models.validators.check_timezone])),
                ('words', models.JSONField(blank=True, default=dict)),
                ('is_active', models.BooleanField(default=True, verbose_name='active')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('blocked_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('blocked_until', models.DateTimeField(blank=True, editable=False, null=True)),
                ('blocked_code', models.CharField(blank=True, editable=False, max_length=16)),
                ('blocked_reason', models.TextField(blank=True, editable=False)),
                ('failures_in_a_row', models.PositiveIntegerField(default=0, editable=False)),
                ('place_tokens', models.FloatField(default=1, editable=False)),
                ('place_tokens_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('hook_token', models.CharField(default='', editable=False, max_length=64, unique=True)),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='provider_accounts', to='tenants.organization')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='ReadBucket',
            fields=[
                ('account', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='read_bucket', serialize=False, to='providers.provideraccount')),
                ('tokens', models.FloatField()),
                ('tokens_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name='Assistant',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name='id')),
                ('name', models.CharField(max_length=200)),
                ('external_id', models.CharField(blank=True, max_length=200, verbose_name="provider's ID")),
                ('options', models.JSONField(blank=True, default=dict)),
                ('variables', models.JSONField(blank=True, default=list, validators=[providers.validators.check_variables])),
                ('opt_out_rules', models.JSONField(blank=True, default=list, help_text='Ends that mean "do not call me again", like [{"field": "result.opt_out", "equals": "true"}].', validators=[providers.validators.check_opt_out_rules])),
                ('is_active', models.BooleanField(default=True, verbose_name='active')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='assistants', to='tenants.organization')),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='assistants', to='providers.provideraccount', verbose_name='provider account')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='PhoneNumber',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name='id')),
                ('e164', models.CharField(help_text='Like +33123456789.', max_length=16, validators=[providers.validators.check_e164], verbose_name='number')),
                ('external_id', models.CharField(blank=True, max_length=200, verbose_name="provider's ID")),
                ('label', models.CharField(blank=True, max_length=200)),
                ('is_active', models.BooleanField(default=True, verbose_name='active')),
                ('max_open_calls', models.PositiveIntegerField(blank=True, help_text='Empty: no limit of its own.', null=True)),
                ('max_calls_per_day', models.PositiveIntegerField(blank=True, help_text='In any 24 hours. A number that places too many calls is soon marked as spam. Empty: no limit.', null=True, validators=[django.core.validators.MinValueValidator(1)])),
                ('rest_seconds', models.PositiveIntegerField(default=0, help_text='Seconds between two calls from this number.', verbose_name='rest')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='phone_numbers', to='tenants.organization')),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='phone_numbers', to='providers.provideraccount', verbose_name='provider account')),
            ],
            options={
                'verbose_name': 'caller number',
                'ordering': ['id'],
                'constraints': [models.UniqueConstraint(fields=('account', 'e164'), name='one_number_per_account', violation_error_message='The provider account already has this number.')],
            },
        ),
        migrations.CreateModel(
            name='SeenWord',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('field', models.CharField(choices=[('status', 'Status'), ('reason', 'Reason'), ('answered_by', 'Answered by')], max_length=16)),
                ('key', models.CharField(max_length=200)),
                ('word', models.CharField(max_length=200)),
                ('call', models.UUIDField()),
                ('first_seen_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='seen_words', to='providers.provideraccount')),
            ],
            options={
                'ordering': ['id'],
                'constraints': [models.UniqueConstraint(fields=('account', 'field', 'key'), name='one_row_per_word')],
            },
        ),
    ]
