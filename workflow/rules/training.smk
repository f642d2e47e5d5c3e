# One job a run, fold and seed: train; another: predict its test segments.


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
        "../../envs/training.yaml"
    # The device is no param: the same numbers stand, whichever it is.
    resources:
        gpu=1,
        device=config["device"],
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
        "python src train --store {input.store} --split {input.split} --run {params.run:q} "
        "--training {params.training:q} --device {resources.device} --threads {threads} "
        "--output {params.folder} 2>&1 | tee {log}"


rule predict:
    input:
        store=STORE,
        split=split_of,
        model=f"{FOLD}/model.safetensors",
    output:
        predictions=f"{FOLD}/predictions.parquet",
    log:
        f"{RESULTS}/logs/predict/{FOLD_NAME}.log",
    benchmark:
        f"{RESULTS}/benchmarks/predict/{FOLD_NAME}.tsv"
    conda:
        "../../envs/training.yaml"
    # The device is no param: the same numbers stand, whichever it is.
    resources:
        gpu=1,
        device=config["device"],
    params:
        batch_size=lambda wildcards: training_of(config, wildcards.run)["batch_size"],
        code=lambda wildcards: command_fingerprint(
            "predict", RUNS[wildcards.run]["model"]
        ),
    message:
        "Predict the test segments of {wildcards.run}, {wildcards.protocol}, fold {wildcards.fold}{wildcards.repeat}"
    shell:
        "python src predict --store {input.store} --split {input.split} --model {input.model} "
        "--batch-size {params.batch_size} --device {resources.device} --threads {threads} "
        "--output {output.predictions} 2>&1 | tee {log}"
