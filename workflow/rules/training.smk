# One job a run, fold and seed: train; another: test it.


rule train:
    input:
        store=STORE,
        split=split_of,
    output:
        model=f"{FOLD}/model.safetensors",
        history=f"{FOLD}/history.csv",
        record=f"{FOLD}/run.json",
    log:
        f"{RESULTS}/logs/train/{FOLD_NAME}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train/{FOLD_NAME}.tsv"
    conda:
        f"../../envs/{TRAINING}.yaml"
    # `device` and `checkpoint` are resources, not params: changing them triggers no rerun.
    resources:
        gpu=1,
        device=config["device"],
        slots=config["slots_per_gpu"],
        checkpoint=config["training"]["checkpoint_seconds"],
    params:
        folder=subpath(output.model, parent=True),
        run=lambda wildcards: in_order(model_of(config, wildcards.run)),
        training=lambda wildcards: in_order(
            {**training_of(config, wildcards.run), "seed": REPEATS[wildcards.repeat]}
        ),
        code=lambda wildcards: command_fingerprint(
            "train", RUNS[wildcards.run]["model"]
        ),
    message:
        "Train {wildcards.run}, {wildcards.protocol}, fold {wildcards.fold}{wildcards.repeat}"
    shell:
        "python src train --store {input.store:q} --split {input.split:q} --run {params.run:q} "
        "--training {params.training:q} --checkpoint-seconds {resources.checkpoint:q} --device {resources.device:q} "
        "--slots-per-gpu {resources.slots:q} --threads {threads:q} --output {params.folder:q} 2>&1 | tee {log:q}"


# Before any training: what the runs will cost on this machine.
rule cost:
    input:
        store=STORE,
        splits=expand(
            f"{SPLITS}/fold{{fold}}.parquet",
            protocol=PROTOCOLS[0],
            length=sorted({run["segment_length"] for run in RUNS.values()}),
            fold=0,
        ),
    output:
        table=f"{RESULTS}/tables/cost.csv",
        markdown=f"{RESULTS}/tables/cost.md",
    log:
        log_of("cost"),
    benchmark:
        benchmark_of("cost")
    conda:
        f"../../envs/{TRAINING}.yaml"
    resources:
        gpu=1,
        device=config["device"],
        slots=config["slots_per_gpu"],
    params:
        splits=lambda wildcards, input: str(Path(input.splits[0]).parents[2]),
        config=json.dumps(config),  # the table keeps the order of the runs
        jobs=SLOTS,
        code=command_fingerprint("cost", *sorted({r["model"] for r in RUNS.values()})),
    message:
        "Measure what the runs will cost"
    shell:
        "python src cost --store {input.store:q} --splits {params.splits:q} --config {params.config:q} "
        "--jobs {params.jobs:q} --device {resources.device:q} --slots-per-gpu {resources.slots:q} "
        "--threads {threads:q} --output {output.table:q} 2>&1 | tee {log:q}"


rule test:
    input:
        store=STORE,
        split=split_of,
        model=f"{FOLD}/model.safetensors",
    output:
        predictions=f"{FOLD}/predictions.parquet",
    log:
        f"{RESULTS}/logs/test/{FOLD_NAME}.log",
    benchmark:
        f"{RESULTS}/benchmarks/test/{FOLD_NAME}.tsv"
    conda:
        f"../../envs/{TRAINING}.yaml"
    # The device is no param: another one does not train again.
    resources:
        gpu=1,
        device=config["device"],
        slots=config["slots_per_gpu"],
    params:
        run=lambda wildcards: in_order(model_of(config, wildcards.run)),
        precision=lambda wildcards: training_of(config, wildcards.run)["precision"],
        code=lambda wildcards: command_fingerprint("test", RUNS[wildcards.run]["model"]),
    message:
        "Test {wildcards.run}, {wildcards.protocol}, fold {wildcards.fold}{wildcards.repeat}"
    shell:
        "python src test --store {input.store:q} --split {input.split:q} --model {input.model:q} "
        "--run {params.run:q} --precision {params.precision:q} --device {resources.device:q} "
        "--slots-per-gpu {resources.slots:q} --threads {threads:q} --output {output.predictions:q} 2>&1 | tee {log:q}"
