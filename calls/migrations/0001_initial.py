import calls.models.call
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.text
import django.utils.timezone
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('campaigns', '0001_initial'),
        ('providers', '0001_initial'),
        ('tenants', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='ContactChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('contact_id', models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='EngineLease',
            fields=[
                ('name', models.CharField(max_length=20, primary_key=True, serialize=False)),
                ('holder', models.CharField(blank=True, max_length=160)),
                ('expires_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Call',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name='id')),
                ('to_number', models.CharField(max_length=16)),
                ('to_number_hash', models.CharField(blank=True, editable=False, max_length=64)),
                ('from_number', models.CharField(max_length=16)),
                ('customer_name', models.CharField(blank=True, max_length=200)),
                ('dynamic_variables', models.JSONField(blank=True, default=dict)),
                ('metadata', models.JSONField(blank=True, default=dict)),
                ('attempt', models.PositiveSmallIntegerField(default=1)),
                ('campaign_version', models.PositiveIntegerField(blank=True, null=True)),
                ('asked_for', models.BooleanField(default=False)),
                ('reference', models.CharField(default=calls.models.call.new_reference, editable=False, max_length=32)),
                ('callback_token', models.CharField(default=calls.models.call.new_token, editable=False, max_length=64)),
                ('callback_url', models.CharField(blank=True, max_length=2000)),
                ('callback_outcome', models.CharField(blank=True, max_length=9)),
                ('created_by', models.CharField(blank=True, max_length=200)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('status', models.CharField(choices=[('queued', 'Queued'), ('placing', 'Being placed'), ('unconfirmed', 'Unconfirmed'), ('placed', 'Placed'), ('dialing', 'Dialing'), ('ringing', 'Ringing'), ('in_progress', 'In progress'), ('completed', 'Completed'), ('no_answer', 'No answer'), ('busy', 'Busy'), ('failed', 'Failed'), ('canceled', 'Canceled'), ('expired', 'Outcome expired'), ('unknown', 'Outcome unknown')], default='queued', max_length=11)),
                ('status_reason', models.CharField(blank=True, max_length=200)),
                ('priority', models.SmallIntegerField(default=0)),
                ('due_at', models.DateTimeField(blank=True, default=django.utils.timezone.now, null=True)),
                ('not_before', models.DateTimeField(blank=True, null=True)),
                ('not_after', models.DateTimeField(blank=True, null=True)),
                ('placing_attempts', models.PositiveSmallIntegerField(default=0)),
                ('lease_until', models.DateTimeField(blank=True, null=True)),
                ('dialed_at', models.DateTimeField(blank=True, null=True)),
                ('decision', models.JSONField(blank=True, default=dict)),
                ('provider_call_id', models.CharField(blank=True, max_length=200)),
                ('id_shared_with', models.UUIDField(blank=True, editable=False, null=True)),
                ('provider_status', models.CharField(blank=True, max_length=100)),
                ('placed_at', models.DateTimeField(blank=True, null=True)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('answered_at', models.DateTimeField(blank=True, null=True)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('duration_seconds', models.PositiveIntegerField(blank=True, null=True)),
                ('billed_duration_seconds', models.PositiveIntegerField(blank=True, null=True)),
                ('ended_reason', models.CharField(blank=True, max_length=200)),
                ('provider_reason', models.CharField(blank=True, max_length=500)),
                ('answered_by', models.CharField(blank=True, max_length=64)),
                ('error_code', models.CharField(blank=True, max_length=100)),
                ('error_message', models.CharField(blank=True, max_length=500)),
                ('result', models.JSONField(blank=True, null=True)),
                ('result_text', models.TextField(blank=True)),
                ('result_status', models.CharField(blank=True, max_length=16)),
                ('doubts', models.JSONField(blank=True, default=list)),
                ('cost_reserved', models.DecimalField(decimal_places=6, default=0, max_digits=14)),
                ('cost_price', models.DecimalField(blank=True, decimal_places=6, max_digits=14, null=True)),
                ('cost_estimate', models.DecimalField(blank=True, decimal_places=6, max_digits=14, null=True)),
                ('cost_currency', models.CharField(default='USD', max_length=3)),
                ('terminal_at', models.DateTimeField(blank=True, null=True)),
                ('settle_until', models.DateTimeField(blank=True, null=True)),
                ('account', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='calls', to='providers.provideraccount')),
                ('assistant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='calls', to='providers.assistant')),
                ('campaign', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='calls', to='campaigns.campaign')),
                ('contact', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='calls', to='campaigns.contact')),
                ('organization', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='calls', to='tenants.organization')),
                ('phone_number', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='calls', to='providers.phonenumber')),
                ('recipient', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='calls', to='campaigns.recipient')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='CallEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('type', models.CharField(max_length=32)),
                ('from_status', models.CharField(blank=True, max_length=11)),
                ('to_status', models.CharField(blank=True, max_length=11)),
                ('source', models.CharField(choices=[('engine', 'Trunkline'), ('response', "Provider's answer"), ('read', 'Status read'), ('callback', 'Provider event'), ('listing', "Provider's call list"), ('staff', 'Team member')], max_length=8)),
                ('detail', models.TextField(blank=True)),
                ('raw', models.BinaryField(blank=True, default=b'')),
                ('raw_size', models.PositiveIntegerField(default=0)),
                ('call', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='events', to='calls.call')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='Heartbeat',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('worker', models.CharField(max_length=100)),
                ('role', models.CharField(choices=[('engine', 'Engine'), ('upkeep', 'Upkeep')], default='engine', max_length=10)),
                ('slot', models.PositiveSmallIntegerField()),
                ('run', models.CharField(blank=True, max_length=32)),
                ('beaten_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('figures', models.JSONField(default=dict)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('worker', 'role', 'slot'), name='one_beat_per_slot')],
            },
        ),
        migrations.CreateModel(
            name='Polling',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('next_read_at', models.DateTimeField()),
                ('last_read_at', models.DateTimeField(blank=True, null=True)),
                ('reads', models.PositiveIntegerField(default=0)),
                ('read_errors', models.PositiveIntegerField(default=0)),
                ('retention_at', models.DateTimeField(blank=True, null=True)),
                ('account', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='providers.provideraccount')),
            ],
            options={
                'verbose_name_plural': 'polling states',
            },
        ),
        migrations.AddField(
            model_name='call',
            name='polling',
            field=models.ForeignKey(blank=True, db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='calls', to='calls.polling'),
        ),
        migrations.CreateModel(
            name='ProviderCallback',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('received_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('verification', models.CharField(max_length=8)),
                ('headers', models.JSONField(default=dict)),
                ('body', models.BinaryField()),
                ('processed_at', models.DateTimeField(null=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('next_attempt_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('error', models.CharField(blank=True, max_length=500)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='callbacks', to='providers.provideraccount')),
                ('call', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='callbacks', to='calls.call')),
            ],
        ),
        migrations.CreateModel(
            name='StaffDecision',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('actor', models.CharField(max_length=200)),
                ('from_status', models.CharField(max_length=11)),
                ('to_status', models.CharField(max_length=11)),
                ('reason', models.CharField(max_length=500)),
                ('applied', models.BooleanField(default=False)),
                ('call', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='decisions', to='calls.call')),
            ],
        ),
        migrations.CreateModel(
            name='WebhookDelivery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name='id')),
                ('url', models.CharField(max_length=2000)),
                ('host', models.CharField(max_length=300)),
                ('event', models.CharField(default='call.ended', max_length=32)),
                ('body', models.TextField(blank=True)),
                ('status', models.CharField(choices=[('pending', 'Pending'), ('delivered', 'Delivered'), ('failed', 'Failed'), ('held', 'Held')], default='pending', max_length=9)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('next_attempt_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('slot', models.PositiveSmallIntegerField(null=True)),
                ('lease_until', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('delivered_at', models.DateTimeField(null=True)),
                ('last_error', models.CharField(blank=True, max_length=200)),
                ('call', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='webhook_deliveries', to='calls.call')),
                ('endpoint', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='tenants.webhookendpoint')),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='webhook_deliveries', to='tenants.organization')),
            ],
            options={
                'verbose_name_plural': 'webhook deliveries',
            },
        ),
        migrations.CreateModel(
            name='CallBack',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name='id')),
                ('due_at', models.DateTimeField()),
                ('latest_at', models.DateTimeField()),
                ('status', models.CharField(choices=[('due', 'Due'), ('kept', 'Kept'), ('missed', 'Missed'), ('canceled', 'Canceled')], default='due', max_length=8)),
                ('reason', models.CharField(blank=True, max_length=500)),
                ('note', models.CharField(blank=True, max_length=500)),
                ('status_before', models.CharField(blank=True, max_length=9)),
                ('next_attempt_before', models.DateTimeField(blank=True, null=True)),
                ('created_by', models.CharField(blank=True, max_length=200)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('call', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='call_back', to='calls.call')),
                ('contact', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='call_backs', to='campaigns.contact')),
                ('organization', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='call_backs', to='tenants.organization')),
                ('recipient', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='call_backs', to='campaigns.recipient')),
            ],
            options={
                'verbose_name': 'scheduled callback',
                'ordering': ['-id'],
                'indexes': [models.Index(condition=models.Q(('status', 'due')), fields=['due_at'], name='call_back_due'), models.Index(fields=['organization', '-id'], name='call_back_list')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('status', 'due')), fields=('recipient',), name='one_call_back_due'), models.CheckConstraint(condition=models.Q(('latest_at__gt', models.F('due_at'))), name='call_back_has_a_span')],
            },
        ),
        migrations.CreateModel(
            name='CallCount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('folded', models.BooleanField(default=False)),
                ('currency', models.CharField(max_length=3)),
                ('rang', models.BooleanField()),
                ('calls', models.IntegerField()),
                ('costed', models.IntegerField()),
                ('priced', models.DecimalField(decimal_places=6, max_digits=20)),
                ('estimated', models.DecimalField(decimal_places=6, max_digits=20)),
                ('assistant', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='providers.assistant')),
                ('campaign', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='campaigns.campaign')),
            ],
            options={
                'indexes': [models.Index(fields=['campaign'], name='call_count'), models.Index(condition=models.Q(('folded', False)), fields=['id'], name='call_count_unfolded')],
            },
        ),
        migrations.CreateModel(
            name='PersonCount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('folded', models.BooleanField(default=False)),
                ('people', models.IntegerField()),
                ('reached', models.IntegerField()),
                ('assistant', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='providers.assistant')),
                ('campaign', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='campaigns.campaign')),
            ],
            options={
                'indexes': [models.Index(fields=['campaign'], name='person_count'), models.Index(condition=models.Q(('folded', False)), fields=['id'], name='person_count_unfolded')],
            },
        ),
        migrations.AddIndex(
            model_name='polling',
            index=models.Index(fields=['account', 'next_read_at'], name='polling_due'),
        ),
        migrations.AddIndex(
            model_name='call',
            index=models.Index(condition=models.Q(('status', 'queued')), fields=['account', '-priority', 'due_at', 'id'], name='call_queue'),
        ),
        migrations.AddIndex(
            model_name='call',
            index=models.Index(condition=models.Q(('status__in', ('placing', 'unconfirmed', 'placed', 'dialing', 'ringing', 'in_progress'))), fields=['account', 'status', 'dialed_at'], name='call_open_account'),
        ),
        migrations.AddIndex(
            model_name='call',
            index=models.Index(condition=models.Q(('polling__isnull', False), ('provider_call_id', '')), fields=['polling'], name='call_sought'),
        ),
        migrations.AddIndex(
            model_name='call',
            index=models.Index(fields=['contact', '-id'], name='call_contact'),
        ),
        migrations.AddIndex(
            model_name='call',
            index=models.Index(fields=['organization', 'to_number', '-id'], name='call_to_number', opclasses=['int8_ops', 'varchar_pattern_ops', 'int8_ops']),
        ),
        migrations.AddIndex(
            model_name='call',
            index=models.Index(condition=models.Q(('to_number_hash', ''), _negated=True), fields=['organization', 'to_number_hash'], name='call_erased'),
        ),
        migrations.AddIndex(
            model_name='call',
            index=models.Index(fields=['organization', '-id'], name='call_list'),
        ),
        migrations.AddIndex(
            model_name='call',
            index=models.Index(fields=['organization', 'status', '-id'], name='call_list_status'),
        ),
        migrations.AddIndex(
            model_name='call',
            index=models.Index(fields=['campaign', '-id'], name='call_list_campaign'),
        ),
        migrations.AddIndex(
            model_name='call',
            index=models.Index(fields=['campaign', 'status', '-id'], name='call_campaign_status'),
        ),
        migrations.AddIndex(
            model_name='call',
            index=models.Index(condition=models.Q(('cost_reserved__gt', 0)), fields=['campaign'], name='call_reserved'),
        ),
        migrations.AddIndex(
            model_name='call',
            index=models.Index(condition=models.Q(('dialed_at__isnull', False)), fields=['account', 'dialed_at'], name='call_dialed_account'),
        ),
        migrations.AddIndex(
            model_name='call',
            index=models.Index(fields=['phone_number', 'dialed_at'], name='call_dialed_number'),
        ),
        migrations.AddIndex(
            model_name='call',
            index=models.Index(condition=models.Q(('terminal_at__isnull', False)), fields=['organization', 'terminal_at'], name='call_ended'),
        ),
        migrations.AddConstraint(
            model_name='call',
            constraint=models.UniqueConstraint(fields=('reference',), name='one_call_per_reference'),
        ),
        migrations.AddConstraint(
            model_name='call',
            constraint=models.UniqueConstraint(fields=('callback_token',), name='one_call_per_token'),
        ),
        migrations.AddConstraint(
            model_name='call',
            constraint=models.UniqueConstraint(condition=models.Q(('status__in', ('placing', 'unconfirmed', 'placed', 'dialing', 'ringing', 'in_progress'))), fields=('organization', 'to_number'), name='one_open_call_per_number'),
        ),
        migrations.AddConstraint(
            model_name='call',
            constraint=models.UniqueConstraint(models.F('account'), django.db.models.functions.comparison.NullIf(django.db.models.functions.text.Lower('provider_call_id'), models.Value('')), name='one_call_per_provider_id'),
        ),
        migrations.AddConstraint(
            model_name='call',
            constraint=models.UniqueConstraint(condition=models.Q(('recipient', None), ('status', 'queued')), fields=('organization', 'to_number'), name='one_queued_single_call'),
        ),
        migrations.AddConstraint(
            model_name='call',
            constraint=models.UniqueConstraint(condition=models.Q(('status__in', ('queued', 'placing', 'unconfirmed', 'placed', 'dialing', 'ringing', 'in_progress'))), fields=('recipient',), name='one_call_under_way'),
        ),
        migrations.AddConstraint(
            model_name='call',
            constraint=models.UniqueConstraint(condition=models.Q(('polling__isnull', False)), fields=('polling',), name='one_call_per_polling'),
        ),
        migrations.AddConstraint(
            model_name='call',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'queued'), ('due_at__isnull', False)), models.Q(('status', 'placing'), ('lease_until__isnull', False)), models.Q(('status__in', ('unconfirmed', 'placed', 'dialing', 'ringing', 'in_progress')), ('polling__isnull', False)), ('status__in', ('completed', 'no_answer', 'busy', 'failed', 'canceled', 'expired', 'unknown')), _connector='OR'), name='somebody_looks_again'),
        ),
        migrations.AddConstraint(
            model_name='call',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status__in', ('completed', 'no_answer', 'busy', 'failed', 'canceled', 'expired', 'unknown')), _negated=True), ('polling__isnull', False), ('cost_reserved', 0), _connector='OR'), name='reserve_released'),
        ),
        migrations.AddIndex(
            model_name='providercallback',
            index=models.Index(condition=models.Q(('processed_at__isnull', True)), fields=['id'], name='callback_inbox'),
        ),
        migrations.AddIndex(
            model_name='providercallback',
            index=models.Index(fields=['received_at'], name='callback_age'),
        ),
        migrations.AddIndex(
            model_name='webhookdelivery',
            index=models.Index(condition=models.Q(('slot', None), ('status', 'pending')), fields=['host', 'next_attempt_at', 'id'], name='webhook_due'),
        ),
        migrations.AddIndex(
            model_name='webhookdelivery',
            index=models.Index(fields=['organization', '-id'], name='webhook_list'),
        ),
        migrations.AddIndex(
            model_name='webhookdelivery',
            index=models.Index(fields=['organization', 'status', '-id'], name='webhook_list_status'),
        ),
        migrations.AddIndex(
            model_name='webhookdelivery',
            index=models.Index(condition=models.Q(('status', 'held')), fields=['endpoint', '-id'], name='webhook_held'),
        ),
        migrations.AddIndex(
            model_name='webhookdelivery',
            index=models.Index(fields=['status', 'created_at'], name='webhook_age'),
        ),
        migrations.AddConstraint(
            model_name='webhookdelivery',
            constraint=models.UniqueConstraint(condition=models.Q(('endpoint', None)), fields=('call',), name='one_callback_per_call'),
        ),
        migrations.AddConstraint(
            model_name='webhookdelivery',
            constraint=models.UniqueConstraint(condition=models.Q(('slot__isnull', False)), fields=('host', 'slot'), name='one_delivery_per_slot'),
        ),
        migrations.AddConstraint(
            model_name='webhookdelivery',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('lease_until', None), ('slot', None)), models.Q(('lease_until__isnull', False), ('slot__isnull', False), ('status', 'pending')), _connector='OR'), name='a_slot_is_leased'),
        ),
    ]
