# A job a run and fold, or a run with all its folds, trains; a job a run tests all its folds.

OF_JOB = "{run}{repeat}" if TOGETHER else "{run}-fold{fold}{repeat}"
WHICH = "all folds" if TOGETHER else "fold {wildcards.fold}"


rule train:
    input:
        store=STORE,
        splits=splits_of,
        others=trained_before,
    output:
        model=trained("model.safetensors"),
        history=trained("history.csv"),
        record=trained("run.json"),
    log:
        f"{RESULTS}/logs/train/{{protocol}}/{OF_JOB}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train/{{protocol}}/{OF_JOB}.tsv"
    conda:
        "../../envs/training.yaml"
    # Resources, not params: changing them triggers no rerun.
    resources:
        gpu=1,
        device=config["device"],
        slots=config["slots_per_gpu"],
        checkpoint=config["training"]["checkpoint_seconds"],
        tensorboard=lambda wildcards: f"{RESULTS}/tensorboard/"
        + folder_of_fold(wildcards).removeprefix(f"{RESULTS}/"),
        folds=(
            as_json(list(FOLDS))
            if TOGETHER
            else lambda wildcards: f"[{wildcards.fold}]"
        ),
    params:
        splits=folder_of_splits,
        folder=folder_of_fold,
        others=folder_of_others,
        run=model_settings,
        training=lambda wildcards: in_order(
            {**training_of(config, wildcards.run), "seed": REPEATS[wildcards.repeat]}
        ),
        code=code_of_run("train"),
    message:
        f"Train {{wildcards.run}}, {{wildcards.protocol}}, {WHICH}{{wildcards.repeat}}"
    shell:
        "python src train --store {input.store:q} --splits {params.splits:q} --folds {resources.folds:q} "
        "--run {params.run:q} --training {params.training:q} --checkpoint-seconds {resources.checkpoint:q} "
        "--device {resources.device:q} --slots-per-gpu {resources.slots:q} --threads {threads:q} "
        "--tensorboard {resources.tensorboard:q} --others {params.others:q} --output {params.folder:q} "
        "2>&1 | tee {log:q}"


# Before any training: the cost of all runs on this machine.
rule cost:
    input:
        store=STORE,
        splits=[
            f"{SPLITS.format(protocol=study.protocol, length=run['segment_length'])}/fold0.parquet"
            for study in STUDIES.values()
            for run in study.runs.values()
        ],
    output:
        table=f"{RESULTS}/cost.csv",
        markdown=f"{RESULTS}/cost.md",
    log:
        log_of("cost"),
    benchmark:
        benchmark_of("cost")
    conda:
        "../../envs/training.yaml"
    resources:
        gpu=1,
        device=config["device"],
        slots=config["slots_per_gpu"],
    params:
        splits=lambda wildcards, input: str(Path(input.splits[0]).parents[2]),
        config=literal(as_json(config)),  # the table keeps the order of the runs
        jobs=SLOTS,
        code=code_of("cost", *sorted({RUNS[run]["model"] for run in TRAINED})),
    message:
        "Measure the cost of the runs"
    shell:
        "python src cost --store {input.store:q} --splits {params.splits:q} --config {params.config:q} "
        "--jobs {params.jobs:q} --device {resources.device:q} --slots-per-gpu {resources.slots:q} "
        "--threads {threads:q} --output {output.table:q} 2>&1 | tee {log:q}"


rule predict:
    input:
        store=STORE,
        splits=splits_of,
        models=of_all_folds("model.safetensors"),
    output:
        predictions=of_all_folds("predictions.parquet"),
    log:
        f"{RESULTS}/logs/predict/{{protocol}}/{{run}}{{repeat}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/predict/{{protocol}}/{{run}}{{repeat}}.tsv"
    conda:
        "../../envs/training.yaml"
    resources:
        gpu=1,
        device=config["device"],
        slots=config["slots_per_gpu"],
        learned=as_json(config["statistics"]["learned"]),
    params:
        splits=folder_of_splits,
        folder=folder_of_fold,
        folds=as_json(list(FOLDS)),
        run=model_settings,
        precision=lambda wildcards: training_of(config, wildcards.run)["precision"],
        code=code_of_run("predict"),
    message:
        "Test {wildcards.run}, {wildcards.protocol}{wildcards.repeat}"
    shell:
        "python src predict --store {input.store:q} --splits {params.splits:q} --folder {params.folder:q} "
        "--folds {params.folds:q} --run {params.run:q} --precision {params.precision:q} "
        "--learned {resources.learned:q} --device {resources.device:q} "
        "--slots-per-gpu {resources.slots:q} --threads {threads:q} 2>&1 | tee {log:q}"
