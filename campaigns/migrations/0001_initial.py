import campaigns.models.campaign
import campaigns.models.contact
import campaigns.models.contact_import
import campaigns.rules.windows
import django.core.validators
import django.db.models.deletion
import django.utils.timezone
import providers.validators
import providers.urls_allowed
import tenants.db.encrypted_fields
import tenants.models.validators
import uuid
from django.db import migrations, models
from tenants.db.migrations_support import prefix_index


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('providers', '0001_initial'),
        ('tenants', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='InstallationKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=32, unique=True)),
                ('value', tenants.db.encrypted_fields.EncryptedJSONField()),
            ],
        ),
        migrations.CreateModel(
            name='ContactImport',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name='id')),
                ('status', models.CharField(choices=[('pending', 'Waiting'), ('running', 'Running'), ('completed', 'Completed'), ('failed', 'Failed'), ('canceled', 'Canceled'), ('undoing', 'Being undone'), ('undone', 'Undone')], default='pending', max_length=9)),
                ('filename', models.CharField(max_length=255)),
                ('file', models.FileField(upload_to=campaigns.models.contact_import.upload_path)),
                ('rejected_file', models.FileField(blank=True, upload_to=campaigns.models.contact_import.upload_path)),
                ('sha256', models.CharField(blank=True, max_length=64)),
                ('mapping', models.JSONField(blank=True, default=dict)),
                ('delimiter', models.CharField(blank=True, max_length=1)),
                ('encoding', models.CharField(blank=True, max_length=32)),
                ('default_region', models.CharField(blank=True, max_length=2)),
                ('on_duplicate', models.CharField(choices=[('update', 'Update the contact'), ('skip', 'Leave the contact as it is')], default='update', max_length=6)),
                ('bytes_total', models.BigIntegerField(default=0)),
                ('bytes_read', models.BigIntegerField(default=0)),
                ('rows_read', models.BigIntegerField(default=0)),
                ('lines_read', models.BigIntegerField(default=0)),
                ('created', models.BigIntegerField(default=0)),
                ('updated', models.BigIntegerField(default=0)),
                ('skipped', models.BigIntegerField(default=0)),
                ('rejected', models.BigIntegerField(default=0)),
                ('zones_contradicting', models.BigIntegerField(default=0)),
                ('zones_interpreted', models.BigIntegerField(default=0)),
                ('zone_examples', models.JSONField(blank=True, default=dict)),
                ('listed', models.BigIntegerField(default=0)),
                ('phone_readings', models.JSONField(blank=True, default=dict, editable=False)),
                ('numbers_left_out', models.BigIntegerField(default=0)),
                ('removed', models.BigIntegerField(default=0)),
                ('restored', models.BigIntegerField(default=0)),
                ('rejected_bytes', models.BigIntegerField(default=0, editable=False)),
                ('error', models.TextField(blank=True)),
                ('note', models.TextField(blank=True)),
                ('lease_until', models.DateTimeField(blank=True, editable=False, null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('end_told', models.BooleanField(default=False, editable=False)),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='contact_imports', to='tenants.organization')),
            ],
            options={
                'verbose_name': 'import',
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='Contact',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name='id')),
                ('phone', models.CharField(max_length=16, validators=[providers.validators.check_e164], verbose_name='number')),
                ('phone_kind', models.CharField(blank=True, choices=[('mobile', 'Mobile'), ('home', 'Home'), ('work', 'Work'), ('other', 'Other')], max_length=6, verbose_name='kind of number')),
                ('name', models.CharField(blank=True, max_length=200)),
                ('external_id', models.CharField(blank=True, max_length=200, verbose_name='external ID')),
                ('language', models.CharField(blank=True, max_length=35)),
                ('timezone', models.CharField(blank=True, help_text='A place, like Europe/Paris. Empty: the zones of the number.', max_length=64, verbose_name='time zone')),
                ('zone_fault', campaigns.models.contact.ZoneFaultField(blank=True, choices=[('no_place', 'No place'), ('contradicts', "None of the number's")], editable=False, max_length=11, verbose_name='time zone')),
                ('variables', models.JSONField(blank=True, default=dict, validators=[campaigns.models.contact.check_variable_values])),
                ('consent_basis', models.CharField(blank=True, max_length=64)),
                ('consent_at', models.DateTimeField(blank=True, null=True)),
                ('consent_evidence', models.TextField(blank=True)),
                ('on_hold', models.BooleanField(default=False, help_text='The contact is not called while this is on.')),
                ('hold_until', models.DateTimeField(blank=True, help_text='Empty: until a team member lifts it.', null=True)),
                ('hold_reason', models.CharField(blank=True, max_length=200)),
                ('erased_at', models.DateTimeField(editable=False, null=True)),
                ('phone_hash', models.CharField(blank=True, editable=False, max_length=64)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('organization', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='contacts', to='tenants.organization')),
                ('created_by_import', models.ForeignKey(db_constraint=False, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='created_contacts', to='campaigns.contactimport')),
            ],
        ),
        migrations.CreateModel(
            name='ContactList',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name='id')),
                ('name', models.CharField(max_length=200)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='contact_lists', to='tenants.organization')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.AddField(
            model_name='contactimport',
            name='contact_list',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='imports', to='campaigns.contactlist'),
        ),
        migrations.CreateModel(
            name='Campaign',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name='id')),
                ('name', models.CharField(max_length=200)),
                ('status', models.CharField(choices=[('draft', 'Draft'), ('scheduled', 'Scheduled'), ('running', 'Running'), ('paused', 'Paused'), ('finished', 'Finished'), ('canceled', 'Canceled')], default='draft', editable=False, max_length=9)),
                ('status_reason', models.CharField(blank=True, editable=False, max_length=500)),
                ('assistant_weight', models.PositiveSmallIntegerField(default=1, help_text="The assistant's share, compared with the other assistants. 0: only if no other assistant can call.", validators=[django.core.validators.MaxValueValidator(1000)])),
                ('number_choice', models.CharField(choices=[('rotate', 'Rotate through all'), ('local', 'Local: same area code, else same country, else any')], default='rotate', help_text='Later calls to a recipient come from the number of the first call if it is still available.', max_length=6, verbose_name='choice of caller number')),
                ('variables', models.JSONField(blank=True, default=dict)),
                ('placeholder_values', models.CharField(choices=[('hold', 'Hold the recipient until a team member decides'), ('skip', 'Skip the recipient'), ('empty', 'Call, and treat the value as missing'), ('send', 'Call, and send the value as it is')], default='hold', help_text='For variables and names such as {{first_name}}, NULL or #N/A.', max_length=5, verbose_name='values that nobody means to speak')),
                ('timezone', models.CharField(blank=True, help_text="For numbers without a place, such as toll-free ones. Empty: the organization's.", max_length=64, validators=[tenants.models.validators.check_timezone], verbose_name='time zone')),
                ('contact_zone_rule', models.CharField(choices=[('both_open', 'Both must be in calling hours'), ('trust_contact', "Trust the contact's time zone")], default='both_open', help_text="For contacts whose own time zone is none of their number's.", max_length=13, verbose_name='contradicting time zones')),
                ('campaign_zone_countries', models.JSONField(blank=True, default=list, help_text="Countries whose numbers are called by the campaign's time zone where they may be in several.", validators=[tenants.models.validators.check_regions], verbose_name="countries in the campaign's time zone")),
                ('campaign_zone_reason', models.CharField(blank=True, help_text="Why these countries are called by the campaign's time zone. It is recorded.", max_length=500, verbose_name="reason for the campaign's time zone")),
                ('holidays', models.JSONField(blank=True, default=list, validators=[campaigns.models.campaign.check_holidays])),
                ('max_attempts', models.PositiveSmallIntegerField(default=3, help_text='Calls to one contact in total.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(50)])),
                ('try_next_number', models.BooleanField(default=False, help_text="After the last unanswered call to a number, call the contact's next number.", verbose_name='try the next number')),
                ('min_gap_minutes', models.PositiveIntegerField(blank=True, help_text="Minutes between two calls. Empty: the organization's.", null=True, verbose_name='minimum gap')),
                ('max_open_calls', models.PositiveIntegerField(blank=True, help_text='Empty: no campaign limit.', null=True)),
                ('calls_per_minute', models.PositiveIntegerField(blank=True, help_text='Spread evenly over the minute. Empty: no campaign limit.', null=True)),
                ('priority', models.PositiveSmallIntegerField(default=1, help_text="The campaign's share of a provider account that several campaigns use: 2 gets twice the calls of 1.", validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(100)])),
                ('budget', models.DecimalField(blank=True, decimal_places=4, max_digits=14, null=True)),
                ('budget_currency', models.CharField(default='USD', max_length=3)),
                ('legal_override', models.CharField(blank=True, help_text='A reason here lifts the legal calling hours. It is recorded.', max_length=500)),
                ('starts_at', models.DateTimeField(blank=True, null=True)),
                ('ends_at', models.DateTimeField(blank=True, null=True)),
                ('callback_url', models.CharField(blank=True, max_length=2000, validators=[providers.urls_allowed.check_callback_url])),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('started_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('finished_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('drafted_through', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('version', models.PositiveIntegerField(default=1, editable=False)),
                ('next_call_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('share_used', models.FloatField(default=0, editable=False)),
                ('rotation', models.JSONField(default=list, editable=False)),
                ('launched_through', models.BigIntegerField(default=0, editable=False)),
                ('launched_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('inputs_digest', models.CharField(blank=True, editable=False, max_length=32)),
                ('look_again_after', models.BigIntegerField(blank=True, editable=False, null=True)),
                ('look_again_until', models.BigIntegerField(default=0, editable=False)),
                ('assistant', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='campaigns', to='providers.assistant')),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='campaigns', to='tenants.organization')),
                ('phone_numbers', models.ManyToManyField(blank=True, related_name='campaigns', to='providers.phonenumber')),
                ('contact_lists', models.ManyToManyField(blank=True, related_name='campaigns', to='campaigns.contactlist')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='ContactListMember',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('contact', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to='campaigns.contact')),
                ('contact_list', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='members', to='campaigns.contactlist')),
                ('created_by_import', models.ForeignKey(db_constraint=False, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='campaigns.contactimport')),
            ],
        ),
        migrations.AddField(
            model_name='contactlist',
            name='contacts',
            field=models.ManyToManyField(related_name='lists', through='campaigns.ContactListMember', to='campaigns.contact'),
        ),
        migrations.CreateModel(
            name='ContactNumber',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('phone', models.CharField(max_length=16, validators=[providers.validators.check_e164], verbose_name='number')),
                ('kind', models.CharField(blank=True, choices=[('mobile', 'Mobile'), ('home', 'Home'), ('work', 'Work'), ('other', 'Other')], max_length=6)),
                ('position', models.PositiveSmallIntegerField()),
                ('contact', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='further_numbers', to='campaigns.contact')),
                ('organization', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenants.organization')),
            ],
            options={
                'ordering': ['contact', 'position'],
            },
        ),
        migrations.CreateModel(
            name='DoNotCall',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name='id')),
                ('phone_hash', models.CharField(editable=False, max_length=64)),
                ('phone', models.CharField(blank=True, max_length=16, verbose_name='number')),
                ('reason', models.CharField(blank=True, max_length=500)),
                ('source', models.CharField(default='staff', editable=False, max_length=64)),
                ('expires_at', models.DateTimeField(blank=True, help_text='Empty: permanent.', null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('organization', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='do_not_call', to='tenants.organization')),
            ],
            options={
                'verbose_name': 'do-not-call entry',
                'verbose_name_plural': 'do-not-call list',
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='ImportMapping',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=200)),
                ('header_digest', models.CharField(editable=False, max_length=64)),
                ('columns', models.JSONField(editable=False)),
                ('saved_by', models.CharField(editable=False, max_length=200)),
                ('saved_at', models.DateTimeField(auto_now=True)),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='import_mappings', to='tenants.organization')),
            ],
            options={
                'verbose_name': 'saved mapping',
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='ImportOverwrite',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('before', models.JSONField()),
                ('after', models.JSONField()),
                ('contact', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='campaigns.contact')),
                ('contact_import', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='overwrites', to='campaigns.contactimport')),
            ],
        ),
        migrations.CreateModel(
            name='MemberCount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('folded', models.BooleanField(default=False)),
                ('members', models.IntegerField()),
                ('contact_list', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='campaigns.contactlist')),
            ],
        ),
        migrations.CreateModel(
            name='Recipient',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name='id')),
                ('status', models.CharField(choices=[('pending', 'Not called yet'), ('calling', 'Call under way'), ('waiting', 'Waiting for another call'), ('done', 'Done'), ('skipped', 'Not called'), ('review', 'Needs attention'), ('withdrawn', 'Withdrawn')], default='pending', max_length=9)),
                ('reason', models.CharField(blank=True, max_length=200)),
                ('outcome', models.CharField(blank=True, max_length=16)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('number_position', models.PositiveSmallIntegerField(default=0)),
                ('next_attempt_at', models.DateTimeField(blank=True, null=True)),
                ('sort_key', models.IntegerField(default=0)),
                ('values_approved', models.BooleanField(db_default=False, default=False, editable=False)),
                ('waits_in', models.CharField(blank=True, max_length=64)),
                ('assistant', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='providers.assistant')),
                ('campaign', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='recipients', to='campaigns.campaign')),
                ('contact', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='recipients', to='campaigns.contact')),
                ('phone_number', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='providers.phonenumber')),
            ],
        ),
        migrations.CreateModel(
            name='RecipientCount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('folded', models.BooleanField(default=False)),
                ('status', models.CharField(max_length=9)),
                ('outcome', models.CharField(blank=True, max_length=16)),
                ('reason', models.CharField(blank=True, max_length=200)),
                ('recipients', models.IntegerField()),
                ('tried', models.IntegerField()),
                ('attempts', models.IntegerField()),
                ('campaign', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='campaigns.campaign')),
            ],
        ),
        migrations.CreateModel(
            name='RetryRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('outcome', models.CharField(choices=[('no_answer', 'No answer'), ('busy', 'Busy'), ('failed', 'Failed'), ('voicemail', 'Voicemail')], max_length=9)),
                ('wait_minutes', models.PositiveIntegerField(default=60, validators=[django.core.validators.MaxValueValidator(86400)])),
                ('max_attempts', models.PositiveSmallIntegerField(default=3, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(50)])),
                ('multiplier', models.DecimalField(decimal_places=2, default=1, help_text='Each wait is the previous wait times this.', max_digits=4, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(10)])),
                ('max_wait_minutes', models.PositiveIntegerField(blank=True, help_text='Empty: no upper limit.', null=True, validators=[django.core.validators.MaxValueValidator(86400)])),
                ('other_time_of_day', models.BooleanField(default=False, help_text='Retry in another part of the day: morning, afternoon or evening, if the windows allow it.')),
                ('campaign', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='retry_rules', to='campaigns.campaign')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='CallingWindow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('days', models.JSONField(default=list, help_text='Like ["mon", "tue"].', validators=[campaigns.rules.windows.parse_day_names])),
                ('opens', models.PositiveSmallIntegerField(validators=[django.core.validators.MaxValueValidator(1439)])),
                ('closes', models.PositiveSmallIntegerField(validators=[django.core.validators.MaxValueValidator(1440)])),
                ('campaign', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='windows', to='campaigns.campaign')),
            ],
            options={
                'ordering': ['id'],
                'constraints': [models.CheckConstraint(condition=models.Q(('opens', models.F('closes')), _negated=True), name='window_has_a_length')],
            },
        ),
        migrations.CreateModel(
            name='CampaignVariant',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('weight', models.PositiveSmallIntegerField(default=0, validators=[django.core.validators.MaxValueValidator(1000)])),
                ('assistant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='variants', to='providers.assistant')),
                ('campaign', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='variants', to='campaigns.campaign')),
            ],
            options={
                'ordering': ['id'],
                'constraints': [models.UniqueConstraint(fields=('campaign', 'assistant'), name='one_variant_each')],
            },
        ),
        migrations.CreateModel(
            name='CampaignVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('actor', models.CharField(max_length=200)),
                ('changes', models.JSONField(default=dict)),
                ('rules', models.JSONField(default=dict)),
                ('campaign', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='versions', to='campaigns.campaign')),
            ],
            options={
                'ordering': ['-number'],
                'constraints': [models.UniqueConstraint(fields=('campaign', 'number'), name='one_version_each')],
            },
        ),
        migrations.AddIndex(
            model_name='contact',
            index=models.Index(condition=models.Q(('external_id', ''), _negated=True), fields=['organization', 'external_id'], name='contact_external'),
        ),
        migrations.AddIndex(
            model_name='contact',
            index=models.Index(condition=models.Q(('phone_hash', ''), _negated=True), fields=['organization', 'phone_hash'], name='contact_erased'),
        ),
        migrations.AddIndex(
            model_name='contact',
            index=models.Index(condition=models.Q(('zone_fault', ''), _negated=True), fields=['organization', 'zone_fault', '-id'], name='contact_zone_fault'),
        ),
        migrations.AddIndex(
            model_name='contact',
            index=models.Index(fields=['organization', '-id'], name='contact_list'),
        ),
        migrations.AddConstraint(
            model_name='contact',
            constraint=models.UniqueConstraint(fields=('organization', 'phone'), name='one_contact_per_number', opclasses=['int8_ops', 'varchar_pattern_ops'], violation_error_message='There is a contact with this number already.'),
        ),
        migrations.AddIndex(
            model_name='contactimport',
            index=models.Index(condition=models.Q(('end_told', False)), fields=['id'], name='import_untold'),
        ),
        migrations.AddIndex(
            model_name='campaign',
            index=models.Index(fields=['status'], name='campaign_status'),
        ),
        migrations.AddConstraint(
            model_name='contactlistmember',
            constraint=models.UniqueConstraint(fields=('contact_list', 'contact'), name='once_per_list'),
        ),
        migrations.AddIndex(
            model_name='contactnumber',
            index=models.Index(fields=['organization', 'phone'], name='further_number', opclasses=['int8_ops', 'varchar_pattern_ops']),
        ),
        migrations.AddConstraint(
            model_name='contactnumber',
            constraint=models.UniqueConstraint(fields=('contact', 'position'), name='one_number_per_position'),
        ),
        migrations.AddConstraint(
            model_name='contactnumber',
            constraint=models.UniqueConstraint(fields=('contact', 'phone'), name='once_per_contact'),
        ),
        migrations.AddIndex(
            model_name='donotcall',
            index=models.Index(fields=['organization', '-id'], name='do_not_call_list'),
        ),
        migrations.AddConstraint(
            model_name='donotcall',
            constraint=models.UniqueConstraint(fields=('organization', 'phone_hash'), name='once_on_do_not_call'),
        ),
        migrations.AddConstraint(
            model_name='importmapping',
            constraint=models.UniqueConstraint(fields=('organization', 'header_digest'), name='one_mapping_per_header'),
        ),
        migrations.AddConstraint(
            model_name='importoverwrite',
            constraint=models.UniqueConstraint(fields=('contact_import', 'contact'), name='one_overwrite_per_contact'),
        ),
        migrations.AddIndex(
            model_name='membercount',
            index=models.Index(fields=['contact_list'], name='member_count'),
        ),
        migrations.AddIndex(
            model_name='membercount',
            index=models.Index(condition=models.Q(('folded', False)), fields=['id'], name='member_count_unfolded'),
        ),
        migrations.AddIndex(
            model_name='recipient',
            index=models.Index(condition=models.Q(('status__in', ['pending', 'waiting'])), fields=['campaign', 'next_attempt_at', 'sort_key'], name='recipient_due'),
        ),
        migrations.AddIndex(
            model_name='recipient',
            index=models.Index(condition=models.Q(('reason', ''), _negated=True), fields=['campaign', 'reason', '-id'], name='recipient_reason'),
        ),
        migrations.AddIndex(
            model_name='recipient',
            index=models.Index(condition=models.Q(('reason', 'no_opening')), fields=['campaign'], name='recipient_no_opening'),
        ),
        migrations.AddIndex(
            model_name='recipient',
            index=models.Index(fields=['campaign', '-id'], name='recipient_list'),
        ),
        migrations.AddIndex(
            model_name='recipient',
            index=models.Index(fields=['campaign', 'status', '-id'], name='recipient_list_status'),
        ),
        migrations.AddConstraint(
            model_name='recipient',
            constraint=models.UniqueConstraint(fields=('campaign', 'contact'), name='once_per_campaign'),
        ),
        migrations.AddIndex(
            model_name='recipientcount',
            index=models.Index(fields=['campaign'], name='recipient_count'),
        ),
        migrations.AddIndex(
            model_name='recipientcount',
            index=models.Index(condition=models.Q(('folded', False)), fields=['id'], name='recipient_count_unfolded'),
        ),
        migrations.AddConstraint(
            model_name='retryrule',
            constraint=models.UniqueConstraint(fields=('campaign', 'outcome'), name='one_rule_per_outcome'),
        ),
        # Searches ask how a name begins, as Django writes it: UPPER(name) LIKE 'ADA%'.
        prefix_index("contact_name_begins", "campaigns_contact", "upper(name)"),
    ]
