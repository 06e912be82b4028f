"""Wrong pipelines: what is edited in the correct one, and the one problem that must be reported.

`reaches` says whether the API server lets it through, so that only the compiler can refuse it.
"""

from dataclasses import dataclass
from typing import Any

from penstock_spec.errors import SpecReason as Reason
from tests.spec.good_spec import REMOVE, spoiled

BREAK_THE_CIRCLE = (
    "Remove one of these references (a deploy also waits for every gate of its model, a monitor for every "
    "deploy to its endpoint)."
)
SECOND_SERVE = {"name": "again", "deploy": {"model": "fit.model", "endpoint": "tumour"}}
TELL = {"name": "tell", "always": True, "run": {"image": "a:1"}}
TAIL = {"name": "tail", "run": {"image": "a:1"}}
FIT_AGAIN = {
    "name": "refit",
    "train": {
        "model": "tumour",
        "train": "split.train",
        "estimator": {"class": "sklearn.tree.DecisionTreeClassifier"},
    },
}


@dataclass(frozen=True)
class Wrong:
    """One row: a sentence, the edits, and path, reason and hint of the one problem."""

    name: str
    edits: tuple[tuple[str, Any], ...]
    path: str
    reason: Reason
    hint: str
    reaches: bool = True

    @property
    def spec(self) -> dict[str, Any]:
        """The spoiled spec."""
        return spoiled(*self.edits)


def _row(name: str, path: str, reason: Reason, hint: str, *edits: tuple[str, Any]) -> Wrong:
    return Wrong(name, edits, path, reason, hint)


def _schema(name: str, path: str, reason: Reason, hint: str, *edits: tuple[str, Any]) -> Wrong:
    return Wrong(name, edits, path, reason, hint, reaches=False)


WATCH_AGAIN = {"name": "rewatch", "monitor": {"endpoint": "tumour", "every": "5m"}}


def prepare(body: Any = None, **step: Any) -> dict[str, Any]:
    """A step that is another pipeline."""
    gives = [{"name": "rows", "from": "load.rows", "type": "Table"}]
    return {"name": "prepare", "pipeline": {"name": "lake", "outputs": gives, **(body or {})}, **step}


WRONG = (
    # What only the compiler can see.
    _row(
        "a pipeline as a step asks for memory",
        "spec.steps[7].resources",
        Reason.CONFLICTING_FIELDS,
        "Set them in its steps.",
        ("steps.+", prepare(resources={"memory": "2Gi"})),
    ),
    _row(
        "a pipeline as a step has a budget that only its own steps spend",
        "spec.steps[7].retry.outOfMemory",
        Reason.CONFLICTING_FIELDS,
        "Set it there; here, deadline, disruption, userError speak of its run as a whole.",
        ("steps.+", prepare(retry={"userError": {"limit": 1}, "outOfMemory": {"limit": 1}})),
    ),
    _row(
        "a pipeline as a step has a pod that starts in time",
        "spec.steps[7].startDeadline",
        Reason.CONFLICTING_FIELDS,
        "Remove it, or set deadline.",
        ("steps.+", prepare(startDeadline="5m")),
    ),
    _row(
        "a parameter of the other pipeline is given twice",
        "spec.steps[7].pipeline.parametersFrom.size",
        Reason.CONFLICTING_FIELDS,
        "Remove one of the two.",
        ("steps.+", prepare({"parameters": {"size": 3}, "parametersFrom": {"size": {"parameter": "trees"}}})),
    ),
    _row(
        "a parameter of the other pipeline comes from none of this one",
        "spec.steps[7].pipeline.parametersFrom.size.parameter",
        Reason.UNKNOWN_PARAMETER,
        'Did you mean "trees"?',
        ("steps.+", prepare({"parametersFrom": {"size": {"parameter": "tree"}}})),
    ),
    _row(
        "a table of the other pipeline is judged as a model",
        "spec.steps[3].validate.model",
        Reason.TYPE_MISMATCH,
        "Use one of fit.model.",
        ("steps.+", prepare()),
        ("steps.gate.validate.model", "prepare.rows"),
    ),
    _row(
        "an output of the other pipeline is not named",
        "spec.steps[5].run.inputs.rows",
        Reason.UNKNOWN_OUTPUT,
        'Did you mean "rows"?',
        ("steps.+", prepare()),
        ("steps.report.run.inputs.rows", "prepare.row"),
    ),
    _row(
        "a result of the other pipeline is not named",
        "spec.steps[5].when.all[0].result",
        Reason.UNKNOWN_RESULT,
        "Declare it there: results: [{name: count, from: <step>.<result>}].",
        ("steps.+", prepare()),
        ("steps.report.when.all.0", {"result": "prepare.count", "greaterThan": 3}),
    ),
    _row(
        "a trigger is called what the run of a step is started by",
        "spec.triggers[0].name",
        Reason.RESERVED_NAME,
        "Choose another name.",
        ("triggers.nightly.name", "parent"),
    ),
    _row(
        "two steps watch one endpoint",
        "spec.steps[7].monitor.endpoint",
        Reason.DUPLICATE,
        "Put all into spec.steps[6].monitor, or name another endpoint.",
        ("steps.+", WATCH_AGAIN),
    ),
    _row(
        "a column that no served model takes is kept out of the log",
        "spec.steps[6].monitor.predictionLog.redact[1]",
        Reason.UNKNOWN_COLUMN,
        'Did you mean "patient"?',
        ("steps.watch.monitor.predictionLog.redact", ["stage", "pateint"]),
    ),
    _row(
        "a column is kept out of the log twice",
        "spec.steps[6].monitor.predictionLog.redact[1]",
        Reason.DUPLICATE,
        "Remove one of the two.",
        ("steps.watch.monitor.predictionLog.redact", ["stage", "stage"]),
    ),
    _row(
        "a limit of drift that the statistic never reaches",
        "spec.steps[6].monitor.drift[1].maximum",
        Reason.UNREACHABLE_THRESHOLD,
        "Lower it.",
        ("steps.watch.monitor.drift.1.maximum", 2),
    ),
    _row(
        "an estimator's class is misspelt",
        "spec.steps[2].train.estimator.class",
        Reason.UNKNOWN_ESTIMATOR,
        'Did you mean "sklearn.ensemble.RandomForestClassifier"?',
        ("steps.fit.train.estimator.class", "sklearn.ensemble.RandomForrestClassifier"),
    ),
    _row(
        "an estimator's class is none that can be served",
        "spec.steps[2].train.estimator.class",
        Reason.UNKNOWN_ESTIMATOR,
        "docs/estimators.md lists the classes; any other goes in a container of yours.",
        ("steps.fit.train.estimator.class", "xgboost.XGBClassifier"),
    ),
    _row(
        "a step reads from a step that does not exist",
        "spec.steps[1].split.table",
        Reason.UNKNOWN_STEP,
        'Did you mean "data"?',
        ("steps.split.split.table", "dta.table"),
    ),
    _row(
        "a step reads an output that its step does not give",
        "spec.steps[3].validate.test",
        Reason.UNKNOWN_OUTPUT,
        'Did you mean "test"?',
        ("steps.gate.validate.test", "split.tset"),
    ),
    _row(
        "a model is trained on a report",
        "spec.steps[2].train.validation",
        Reason.TYPE_MISMATCH,
        "Use one of data.table, report.scores, split.test, split.train, split.validation.",
        ("steps.fit.train.validation", "gate.report"),
        ("steps.gate.validate.model", "other.model"),
        ("steps.+", {**FIT_AGAIN, "name": "other", "train": {**FIT_AGAIN["train"], "model": "other"}}),
    ),
    _row(
        "a table is served",
        "spec.steps[4].deploy.model",
        Reason.TYPE_MISMATCH,
        "Use one of fit.model.",
        ("steps.serve.deploy.model", "split.train"),
    ),
    _row(
        "a model that no train step registered is served",
        "spec.steps[4].deploy.model",
        Reason.TYPE_MISMATCH,
        "Train it in a train step with container.",
        ("steps.serve.deploy.model", "own.model"),
        (
            "steps.+",
            {"name": "own", "run": {"image": "a:1", "outputs": [{"name": "model", "type": "Model"}]}},
        ),
    ),
    _row(
        "a step reads its own output",
        "spec.steps[5].run.inputs.rows",
        Reason.SELF_REFERENCE,
        "Name the output of another step.",
        ("steps.report.run.inputs.rows", "report.scores"),
    ),
    _row(
        "a step waits for itself",
        "spec.steps[5].dependsOn[0]",
        Reason.SELF_REFERENCE,
        "Remove it.",
        ("steps.report.dependsOn", ["report"]),
    ),
    _row(
        "a step waits for a step that does not exist",
        "spec.steps[5].dependsOn[0]",
        Reason.UNKNOWN_STEP,
        'Did you mean "serve"?',
        ("steps.report.dependsOn", ["servr"]),
    ),
    _row(
        "a step waits twice for the same step",
        "spec.steps[5].dependsOn[1]",
        Reason.DUPLICATE,
        "Remove one of the two.",
        ("steps.report.dependsOn", ["serve", "serve"]),
    ),
    _row(
        "steps wait for each other in a circle",
        "spec.steps[0].dependsOn[0]",
        Reason.CYCLE,
        BREAK_THE_CIRCLE,
        ("steps.data.dependsOn", ["fit"]),
    ),
    _row(
        "a gate waits for the deploy that waits for it",
        "spec.steps[3].dependsOn[0]",
        Reason.CYCLE,
        BREAK_THE_CIRCLE,
        ("steps.gate.dependsOn", ["serve"]),
    ),
    _row(
        "two deploys to one endpoint have no order",
        "spec.steps[7].deploy.endpoint",
        Reason.UNORDERED_DEPLOYS,
        "Add dependsOn: [serve], or deploy to another endpoint.",
        ("steps.+", SECOND_SERVE),
    ),
    _row(
        "two steps register the same model",
        "spec.steps[7].train.model",
        Reason.DUPLICATE,
        "Give each its own name.",
        ("steps.+", FIT_AGAIN),
    ),
    _row(
        "the fractions of a split do not add up",
        "spec.steps[1].split.fractions",
        Reason.FRACTIONS_DO_NOT_ADD_UP,
        "Every row belongs to one part: change the shares, or add a part for the rest.",
        ("steps.split.split.fractions.test", 0.3),
    ),
    _row(
        "the gate judges the training rows",
        "spec.steps[3].validate.test",
        Reason.TEST_LEAKS_TRAINING,
        "Judge on another part of the same split.",
        ("steps.gate.validate.test", "split.train"),
    ),
    _row(
        "the gate judges the table that the training rows were cut from",
        "spec.steps[3].validate.test",
        Reason.TEST_LEAKS_TRAINING,
        "Judge on another part of the same split.",
        ("steps.gate.validate.test", "data.table"),
    ),
    _row(
        "training watches its own rows",
        "spec.steps[2].train.validation",
        Reason.TEST_LEAKS_TRAINING,
        "Use another part of the split, or leave validation out.",
        ("steps.fit.train.validation", "split.train"),
    ),
    _row(
        "a classifier is judged by a metric of regression",
        "spec.steps[3].validate.thresholds[1].metric",
        Reason.METRIC_MISMATCH,
        "Use one of accuracy, balanced_accuracy, brier, f1, log_loss, precision, recall, roc_auc.",
        ("steps.gate.validate.thresholds.1", {"metric": "rmse", "maximum": 3}),
    ),
    _row(
        "a threshold is in percent",
        "spec.steps[3].validate.thresholds[1].minimum",
        Reason.UNREACHABLE_THRESHOLD,
        "Use a figure from 0 to 1, not percent.",
        ("steps.gate.validate.thresholds.1", {"metric": "accuracy", "minimum": 95}),
    ),
    _row(
        "no figure can meet both bounds of a threshold",
        "spec.steps[3].validate.thresholds[1].minimum",
        Reason.EMPTY_RANGE,
        "Exchange or remove one.",
        ("steps.gate.validate.thresholds.1", {"metric": "log_loss", "minimum": 0.6, "maximum": 0.5}),
    ),
    _row(
        "a value comes from a parameter that is not declared",
        "spec.steps[2].train.estimator.parametersFrom.n_estimators.parameter",
        Reason.UNKNOWN_PARAMETER,
        'Did you mean "trees"?',
        ("steps.fit.train.estimator.parametersFrom.n_estimators.parameter", "tres"),
    ),
    _row(
        "a seed comes from a text",
        "spec.steps[2].train.seedFrom.parameter",
        Reason.TYPE_MISMATCH,
        "Declare the parameter with type: Integer.",
        ("steps.fit.train.seedFrom.parameter", "region"),
    ),
    _row(
        "the default of a parameter does not fit the field that it fills",
        "spec.steps[2].train.seedFrom.parameter",
        Reason.OUT_OF_RANGE,
        "Use at least 0.",
        ("parameters.seed.default", -1),
    ),
    _row(
        "the default of a parameter is of another type",
        "spec.parameters[0].default",
        Reason.WRONG_TYPE,
        "Give a whole number.",
        ("parameters.trees.default", "many"),
    ),
    _row(
        "the default of a parameter is out of its range",
        "spec.parameters[0].default",
        Reason.OUT_OF_RANGE,
        "Use at most 2000.",
        ("parameters.trees.default", 5000),
    ),
    _row(
        "the default of a parameter is not an allowed text",
        "spec.parameters[2].default",
        Reason.INVALID_VALUE,
        "Use one of eu, us.",
        ("parameters.region.default", "asia"),
    ),
    _row(
        "a text has a minimum",
        "spec.parameters[2].minimum",
        Reason.CONFLICTING_FIELDS,
        "Remove it, or set type: Number.",
        ("parameters.region.minimum", 3),
    ),
    _row(
        "an argument is given twice",
        "spec.steps[5].run.argumentsFrom.trees",
        Reason.CONFLICTING_FIELDS,
        "Remove one of the two.",
        ("steps.report.run.arguments.trees", 5),
    ),
    _row(
        "an estimator's parameter is null",
        "spec.steps[2].train.estimator.parameters.max_depth",
        Reason.NULL_VALUE,
        "Give a value, or leave the name out: then the default holds.",
        ("steps.fit.train.estimator.parameters.max_depth", None),
    ),
    _row(
        "YAML has read the name y as true",
        "spec.steps[5].run.arguments.true",
        Reason.BOOLEAN_KEY,
        'Put the name in quotes ("y"), or choose another.',
        ("steps.report.run.arguments", {True: 5}),
    ),
    _row(
        "a step uses a secret that is not declared",
        "spec.steps[5].run.env[2].secret.name",
        Reason.UNKNOWN_SECRET,
        'Did you mean "token"?',
        ("steps.report.run.env.TOKEN.secret.name", "tokn"),
    ),
    _row(
        "a variable has a name that is ours",
        "spec.steps[5].run.env[0].name",
        Reason.RESERVED_NAME,
        "Choose another name.",
        ("steps.report.run.env.MODE.name", "PENSTOCK_STORE_URL"),
    ),
    _row(
        "an output would lie where the log lies",
        "spec.steps[5].run.outputs[0].name",
        Reason.RESERVED_NAME,
        "Choose another name.",
        ("steps.report.run.outputs.page.name", "log"),
    ),
    _row(
        "an ingest declares two targets",
        "spec.steps[0].ingest.schema.columns[3].role",
        Reason.DUPLICATE,
        "A table has one Target.",
        ("steps.data.ingest.schema.columns.stage.role", "Target"),
    ),
    _row(
        "training has no target",
        "spec.steps[2].train.train",
        Reason.MISSING_TARGET,
        "Declare it: schema: {columns: [{name: ..., type: ..., role: Target}]}.",
        ("steps.data.ingest.schema.columns.malignant.role", "Ignore"),
        ("steps.gate", REMOVE),
        ("steps.report.run.inputs", {}),
    ),
    _row(
        "a split is stratified by a column that the table does not have",
        "spec.steps[1].split.stratifyBy",
        Reason.UNKNOWN_COLUMN,
        'Did you mean "malignant"?',
        ("steps.split.split.stratifyBy", "malignent"),
    ),
    _row(
        "a text column is scaled",
        "spec.steps[2].train.preprocess[1].scale.columns[0]",
        Reason.TYPE_MISMATCH,
        "Name columns of that type.",
        ("steps.fit.train.preprocess.1.scale.columns", ["stage"]),
    ),
    _row(
        "a column's range is empty",
        "spec.steps[0].ingest.schema.columns[0].minimum",
        Reason.EMPTY_RANGE,
        "Exchange or remove one.",
        ("steps.data.ingest.schema.columns.mean_radius.minimum", 1000),
    ),
    _row(
        "a schedule's hour does not exist",
        "spec.triggers[0].schedule.cron",
        Reason.INVALID_VALUE,
        'Write minute, hour, day of month, month, day of week: "0 2 * * *" is every night at two.',
        ("triggers.nightly.schedule.cron", "0 25 * * *"),
    ),
    _row(
        "a schedule means a day that never comes",
        "spec.triggers[0].schedule.cron",
        Reason.INVALID_VALUE,
        'Write minute, hour, day of month, month, day of week: "0 2 * * *" is every night at two.',
        ("triggers.nightly.schedule.cron", "0 0 30 2 *"),
    ),
    _row(
        "a schedule has seconds",
        "spec.triggers[0].schedule.cron",
        Reason.INVALID_VALUE,
        'There is no field for seconds: write "0 2 * * *".',
        ("triggers.nightly.schedule.cron", "30 0 2 * * *"),
    ),
    _row(
        "a schedule is a nickname",
        "spec.triggers[0].schedule.cron",
        Reason.INVALID_VALUE,
        'Write "0 0 * * 0".',
        ("triggers.nightly.schedule.cron", "  @weekly "),
    ),
    _row(
        "a schedule's line carries the zone",
        "spec.triggers[0].schedule.cron",
        Reason.INVALID_VALUE,
        "Put the zone into timeZone.",
        ("triggers.nightly.schedule.cron", "CRON_TZ=Europe/Paris 0 2 * * *"),
    ),
    _row(
        "a time zone is misspelt",
        "spec.triggers[0].schedule.timeZone",
        Reason.UNKNOWN_ZONE,
        'Did you mean "Europe/Paris"?',
        ("triggers.nightly.schedule.timeZone", "Europe/Pariss"),
    ),
    _row(
        "missed starts are counted though only the latest is run",
        "spec.triggers[0].schedule.maxMissed",
        Reason.CONFLICTING_FIELDS,
        "Remove it, or set missed: RunAll.",
        ("triggers.nightly.schedule.missed", "RunLatest"),
    ),
    _row(
        "a trigger has the name of a start by hand",
        "spec.triggers[0].name",
        Reason.RESERVED_NAME,
        "Choose another name.",
        ("triggers.nightly.name", "manual"),
    ),
    _row(
        "a whole number is taken from the time of the run",
        "spec.steps[2].train.seedFrom.parameter",
        Reason.TYPE_MISMATCH,
        "Name a parameter of spec.parameters.",
        ("steps.fit.train.seedFrom.parameter", "scheduledTime"),
    ),
    _row(
        "the time of the run is written like a declared parameter",
        "spec.steps[1].split.saltFrom.parameter",
        Reason.UNKNOWN_PARAMETER,
        'Did you mean "scheduledTime"?',
        ("steps.split.split.saltFrom.parameter", "scheduled_time"),
    ),
    _row(
        "a condition asks about a step that does not exist",
        "spec.steps[5].when.any[1].step",
        Reason.UNKNOWN_STEP,
        'Did you mean "fit"?',
        ("steps.report.when.any.1.step", "fitt"),
    ),
    _row(
        "a condition asks about its own step",
        "spec.steps[5].when.any[1].step",
        Reason.SELF_REFERENCE,
        "Name another step.",
        ("steps.report.when.any.1.step", "report"),
    ),
    _row(
        "a condition asks a built-in step for a result",
        "spec.steps[2].when.all[0].result",
        Reason.UNKNOWN_RESULT,
        "Only run and pipeline steps give results.",
        ("steps.fit.when", {"all": [{"result": "split.rows", "greaterThan": 0}]}),
    ),
    _row(
        "a condition misspells a result",
        "spec.steps[7].when.all[0].result",
        Reason.UNKNOWN_RESULT,
        'Did you mean "pages"?',
        ("steps.+", {**TAIL, "when": {"all": [{"result": "report.page", "greaterThan": 0}]}}),
    ),
    _row(
        "a condition asks whether a text is greater",
        "spec.steps[7].when.none[0].lessThan",
        Reason.TYPE_MISMATCH,
        "Use equals, notEquals, in or notIn.",
        ("steps.+", {**TAIL, "when": {"none": [{"result": "report.verdict", "lessThan": 0}]}}),
    ),
    _row(
        "a condition compares a whole number with a word",
        "spec.steps[5].when.all[1].notEquals",
        Reason.TYPE_MISMATCH,
        'Write a whole number in quotes, "3", or use atLeast, atMost.',
        ("steps.report.when.all.1.notEquals", "three"),
    ),
    _row(
        "a condition waits for a text that its parameter never is",
        "spec.steps[5].when.any[0].in[1]",
        Reason.INVALID_VALUE,
        "Use one of eu, us.",
        ("steps.report.when.any.0.in", ["eu", "asia"]),
    ),
    _row(
        "a condition asks for a parameter that is not declared",
        "spec.steps[5].when.all[0].parameter",
        Reason.UNKNOWN_PARAMETER,
        'Did you mean "trees"?',
        ("steps.report.when.all.0.parameter", "treees"),
    ),
    _row(
        "a condition asks for a trigger that is not declared",
        "spec.steps[5].when.none[0].trigger.in[0]",
        Reason.UNKNOWN_TRIGGER,
        'Did you mean "manual"?',
        ("steps.report.when.none.0.trigger.in", ["manuel"]),
    ),
    _row(
        "a condition closes a circle",
        "spec.steps[2].when.all[0].step",
        Reason.CYCLE,
        BREAK_THE_CIRCLE,
        ("steps.fit.when", {"all": [{"step": "gate", "states": ["Failed"]}]}),
    ),
    _row(
        "a step waits for one that runs after all others",
        "spec.steps[5].dependsOn[0]",
        Reason.CONFLICTING_FIELDS,
        "Set always: true here as well, or remove it there.",
        ("steps.report.dependsOn", ["tell"]),
        ("steps.+", TELL),
    ),
    _row(
        "a condition asks about a step that runs after all others",
        "spec.steps[5].when.any[1].step",
        Reason.CONFLICTING_FIELDS,
        "Set always: true here as well, or remove it there.",
        ("steps.report.when.any.1.step", "tell"),
        ("steps.+", TELL),
    ),
    _row(
        "a step has more time than its run",
        "spec.steps[2].deadline",
        Reason.CONFLICTING_FIELDS,
        "Give the step less time, or the run more.",
        ("steps.fit.deadline", "3h"),
    ),
    _row(
        "a step may take longer to start than its run may take",
        "spec.steps[2].startDeadline",
        Reason.CONFLICTING_FIELDS,
        "Give the step less time, or the run more.",
        ("steps.fit.startDeadline", "1d"),
    ),
    _row(
        "a deploy has a deadline for the start of a pod",
        "spec.steps[4].startDeadline",
        Reason.CONFLICTING_FIELDS,
        "Remove it, or set deadline.",
        ("steps.serve.startDeadline", "5m"),
    ),
    _row(
        "memory may grow to less than the step asks for",
        "spec.steps[2].retry.outOfMemory.maximum",
        Reason.EMPTY_RANGE,
        "Raise it.",
        ("steps.fit.retry.outOfMemory.maximum", "1Gi"),
    ),
    _row(
        "the memory of a step that asks for none may grow to less than the default",
        "spec.steps[5].retry.outOfMemory.maximum",
        Reason.EMPTY_RANGE,
        "Raise it.",
        ("steps.report.retry", {"outOfMemory": {"maximum": "512Mi"}}),
    ),
    _row(
        "scratch space without a size is to grow",
        "spec.steps[2].retry.outOfDisk",
        Reason.CONFLICTING_FIELDS,
        "Set resources: {scratch: 10Gi} as well.",
        ("steps.fit.retry", {"outOfDisk": {"limit": 2}}),
    ),
    _row(
        "the first pause is longer than the longest",
        "spec.steps[2].retry.userError.backoff.first",
        Reason.EMPTY_RANGE,
        "Exchange them.",
        ("steps.fit.retry.userError.backoff.first", "10m"),
    ),
    _row(
        "a deploy is to be retried",
        "spec.steps[4].retry",
        Reason.CONFLICTING_FIELDS,
        "Remove it.",
        ("steps.serve.retry", {"disruption": {"limit": 2}}),
    ),
    # What the API server sees as well; the compiler says it in words for whoever runs without one.
    _schema(
        "a condition compares in two ways at once",
        "spec.steps[5].when.all[0]",
        Reason.CONFLICTING_FIELDS,
        "A result or parameter is compared by exactly one of equals, notEquals, in, notIn, greaterThan, "
        "lessThan, atLeast, atMost.",
        ("steps.report.when.all.0.in", ["3"]),
    ),
    _schema(
        "a condition names a step without a state",
        "spec.steps[5].when.any[1]",
        Reason.CONFLICTING_FIELDS,
        "Step and states belong together: {step: gate, states: [Failed]}.",
        ("steps.report.when.any.1.states", REMOVE),
    ),
    _schema(
        "a deadline is no length of time",
        "spec.steps[2].deadline",
        Reason.INVALID_VALUE,
        "Write a number and a unit, s, m, h or d: 90s, 5m, 12h, 180d.",
        ("steps.fit.deadline", "1h30m"),
    ),
    _schema(
        "a class of failure is misspelt",
        "spec.steps[2].retry.outOfMemry",
        Reason.UNKNOWN_FIELD,
        'Did you mean "outOfMemory"?',
        ("steps.fit.retry.outOfMemory", REMOVE),
        ("steps.fit.retry.outOfMemry", {"limit": 3}),
    ),
    _schema(
        "a when says nothing",
        "spec.steps[5].when",
        Reason.CONFLICTING_FIELDS,
        "Set at least one of all, any, none.",
        ("steps.report.when", {}),
    ),
    _schema(
        "a field is misspelt",
        "spec.steps[2].train.trian",
        Reason.UNKNOWN_FIELD,
        'Did you mean "train"?',
        ("steps.fit.train.train", REMOVE),
        ("steps.fit.train.trian", "split.train"),
    ),
    _schema(
        "a step has two kinds",
        "spec.steps[4]",
        Reason.CONFLICTING_FIELDS,
        "Set exactly one of ingest, split, train, validate, deploy, monitor, run, pipeline.",
        ("steps.serve.run", {"image": "a:1"}),
    ),
    _schema(
        "a step has no kind",
        "spec.steps[5]",
        Reason.MISSING_FIELD,
        "Set exactly one of ingest, split, train, validate, deploy, monitor, run, pipeline.",
        ("steps.report.run", REMOVE),
    ),
    _schema(
        "a salt is a number",
        "spec.steps[1].split.salt",
        Reason.WRONG_TYPE,
        "Put it in quotes.",
        ("steps.split.split.saltFrom", REMOVE),
        ("steps.split.split.salt", 7),
    ),
    _schema(
        "a metric does not exist",
        "spec.steps[3].validate.thresholds[1].metric",
        Reason.INVALID_VALUE,
        'Did you mean "accuracy"?',
        ("steps.gate.validate.thresholds.1", {"metric": "acuracy", "minimum": 0.9}),
    ),
    _schema(
        "a literal stands beside its parameter",
        "spec.steps[2].train",
        Reason.CONFLICTING_FIELDS,
        "Set at most one of seed, seedFrom.",
        ("steps.fit.train.seed", 3),
    ),
    _schema(
        "two steps have one name",
        "spec.steps[4].name",
        Reason.DUPLICATE,
        "Give each its own name.",
        ("steps.serve.name", "data"),
        ("steps.report.dependsOn", []),
    ),
    _schema(
        "a step's name has capitals",
        "spec.steps[5].name",
        Reason.INVALID_VALUE,
        "Use lower-case letters, digits and dashes, a letter first: my-name.",
        ("steps.report.name", "Report"),
    ),
    _schema(
        "a fraction is the whole",
        "spec.steps[1].split.fractions.train",
        Reason.OUT_OF_RANGE,
        "Use less than 1.",
        ("steps.split.split.fractions.train", 1),
    ),
    _schema(
        "a reference names no output",
        "spec.steps[1].split.table",
        Reason.INVALID_VALUE,
        "Write it as <step>.<output>, for example split.train.",
        ("steps.split.split.table", "data"),
    ),
    _schema(
        "a constant is filled in, but none is given",
        "spec.steps[2].train.preprocess[0].fillNulls.value",
        Reason.CONFLICTING_FIELDS,
        "Value is set exactly when strategy is Constant.",
        ("steps.fit.train.preprocess.0.fillNulls.strategy", "Constant"),
    ),
    _schema(
        "windows are too short",
        "spec.steps[6].monitor.every",
        Reason.OUT_OF_RANGE,
        "Use 15s to 7d.",
        ("steps.watch.monitor.every", "5s"),
    ),
    _schema(
        "windows are longer than a week",
        "spec.steps[6].monitor.every",
        Reason.OUT_OF_RANGE,
        "Use 15s to 7d.",
        ("steps.watch.monitor.every", "10081m"),
    ),
    _schema(
        "a duration without a unit",
        "spec.steps[6].monitor.predictionLog.retention",
        Reason.INVALID_VALUE,
        "Write a number and a unit, s, m, h or d: 90s, 5m, 12h, 180d.",
        ("steps.watch.monitor.predictionLog.retention", "180"),
    ),
    _schema(
        "more than every request is logged",
        "spec.steps[6].monitor.predictionLog.sampleRatio",
        Reason.OUT_OF_RANGE,
        "Use at most 1.",
        ("steps.watch.monitor.predictionLog.sampleRatio", 1.5),
    ),
    _schema(
        "a method of drift is named twice",
        "spec.steps[6].monitor.drift[1].method",
        Reason.DUPLICATE,
        "Give each its own name.",
        ("steps.watch.monitor.drift.1.method", "Psi"),
    ),
    _schema(
        "more windows must drift than are looked at",
        "spec.steps[6].monitor.windows.drifted",
        Reason.CONFLICTING_FIELDS,
        "Drifted may not exceed of.",
        ("steps.watch.monitor.windows", {"drifted": 4}),
    ),
    _schema(
        "memory has the unit of cores",
        "spec.steps[2].resources.memory",
        Reason.INVALID_VALUE,
        "Write bytes with a unit: 512Mi or 4Gi.",
        ("steps.fit.resources.memory", "500m"),
    ),
    _schema(
        "a trigger has no kind",
        "spec.triggers[0]",
        Reason.MISSING_FIELD,
        "Set exactly one of schedule, endpointCondition.",
        ("triggers.nightly.schedule", REMOVE),
    ),
    _schema(
        "a pipeline declares the built-in parameter",
        "spec.parameters[5].name",
        Reason.INVALID_VALUE,
        "Use lower-case letters, digits and underscores, a letter first: my_name.",
        ("parameters.+", {"name": "scheduledTime", "default": "x"}),
    ),
    _schema(
        "a schedule cools down",
        "spec.triggers[0]",
        Reason.CONFLICTING_FIELDS,
        "Cooldown, maxPerWeek and giveUpAfter belong to endpointCondition; a schedule has its times.",
        ("triggers.nightly.cooldown", "1h"),
    ),
    _schema(
        "a trigger asks for a condition that no endpoint has",
        "spec.triggers[1].endpointCondition.type",
        Reason.INVALID_VALUE,
        "Use one of Drifted.",
        ("triggers.drift.endpointCondition.type", "Late"),
    ),
    _schema(
        "a trigger cools down for a moment only",
        "spec.triggers[1].cooldown",
        Reason.OUT_OF_RANGE,
        "Use 1m to 90d.",
        ("triggers.drift.cooldown", "5s"),
    ),
    _schema(
        "an output of the other pipeline comes from no step",
        "spec.steps[7].pipeline.outputs[0].from",
        Reason.INVALID_VALUE,
        "Write it as <step>.<output>, for example split.train.",
        ("steps.+", prepare({"outputs": [{"name": "rows", "from": "load"}]})),
    ),
    _schema(
        "a parameter of the other pipeline is null",
        "spec.steps[7].pipeline.parameters.size",
        Reason.NULL_VALUE,
        "Give a value, or leave the name out: then the default holds.",
        ("steps.+", prepare({"parameters": {"size": None}})),
    ),
)
