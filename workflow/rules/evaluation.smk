# From predictions and models to tables, embeddings and attention.

LEAKAGE_RUNS = config["leakage"]["runs"]
BOOTSTRAP = [
    config["statistics"]["bootstrap_samples"],
    config["statistics"]["bootstrap_seed"],
]
# 0: a sixth of the way from chance to 1.
LEARNED = config["statistics"]["learned"] or 0
TABLES = [
    f"{RESULTS}/tables/{table}.{suffix}"
    for table in ["accuracy", "metrics", "complexity", "movement", "verdict"]
    + (["leakage"] if LEAKAGE_RUNS else [])
    for suffix in ("csv", "md", "html")
]


rule accuracy:
    input:
        store=STORE,
        predictions=of_folds("predictions.parquet", PAPERS_RUNS, PROTOCOLS),
    output:
        table=table("accuracy", "Balanced accuracy", "Table 1"),
        page=table_page("accuracy", "Balanced accuracy", "Table 1"),
        markdown=f"{RESULTS}/tables/accuracy.md",
        metrics=table("metrics", "All metrics"),
        metrics_page=table_page("metrics", "All metrics"),
        metrics_markdown=f"{RESULTS}/tables/metrics.md",
        folds=table("folds", "Every fold"),
        recalls=table("recalls", "Recall of each class, every fold"),
        counts=f"{RESULTS}/tables/counts.csv",
    log:
        log_of("accuracy"),
    benchmark:
        benchmark_of("accuracy")
    conda:
        f"../../envs/{TRAINING}.yaml"
    params:
        results=subpath(output.table, ancestor=2),
        runs=json.dumps({run: DESCRIBED[run] for run in PAPERS_RUNS}),
        protocols=PROTOCOLS,
        folds=len(FOLDS),
        seeds=config["seeds"],
        baseline=config["statistics"]["baseline"],
        learned=LEARNED,
        printed=in_order(printed_table(1)),
        code=command_fingerprint("accuracy"),
    message:
        "Table 1: balanced accuracy"
    shell:
        "python src accuracy --results {params.results:q} --store {input.store:q} "
        "--runs {params.runs:q} --protocols {params.protocols:q} --folds {params.folds:q} "
        "--seeds {params.seeds:q} --baseline {params.baseline:q} --learned {params.learned:q} "
        "--output {output.table:q} 2>&1 | tee {log:q}"


rule leakage:
    input:
        store=STORE,
        predictions=of_folds("predictions.parquet", LEAKAGE_RUNS, EVERY_PROTOCOL),
        histories=of_folds("history.csv", LEAKAGE_RUNS, EVERY_PROTOCOL),
    output:
        table=table("leakage", "Leakage: the same runs under each protocol"),
        page=table_page("leakage", "Leakage: the same runs under each protocol"),
        markdown=f"{RESULTS}/tables/leakage.md",
    log:
        log_of("leakage"),
    benchmark:
        benchmark_of("leakage")
    conda:
        f"../../envs/{TRAINING}.yaml"
    params:
        results=subpath(output.table, ancestor=2),
        runs=LEAKAGE_RUNS,
        protocols=EVERY_PROTOCOL,
        folds=len(FOLDS),
        seeds=config["seeds"],
        code=command_fingerprint("leakage"),
    message:
        "The same runs under each protocol"
    shell:
        "python src leakage --results {params.results:q} --store {input.store:q} "
        "--runs {params.runs:q} --protocols {params.protocols:q} --folds {params.folds:q} "
        "--seeds {params.seeds:q} --output {output.table:q} 2>&1 | tee {log:q}"


# Costs need no training: the controls are always counted, too.
rule complexity:
    input:
        store=STORE,
    output:
        table=table("complexity", "Complexity", "Table 2"),
        page=table_page("complexity", "Complexity", "Table 2"),
        markdown=f"{RESULTS}/tables/complexity.md",
        stages=table("complexity_stages", "Where the MACs arise"),
        ratios=table("complexity_ratios", "Cost at equal segment length"),
        transformers=table("transformers", "Tokens and widths of the transformers"),
    log:
        log_of("complexity"),
    benchmark:
        benchmark_of("complexity")
    conda:
        f"../../envs/{TRAINING}.yaml"
    params:
        runs=json.dumps(COUNTED),
        batch_size=config["complexity"]["batch_size"],
        printed=in_order(printed_table(2)),
        code=command_fingerprint(
            "complexity", *sorted({run["model"] for run in COUNTED.values()})
        ),
    message:
        "Table 2: MACs and parameters"
    shell:
        "python src complexity --store {input.store:q} --runs {params.runs:q} "
        "--batch-size {params.batch_size:q} --output {output.table:q} "
        "2>&1 | tee {log:q}"


rule embed:
    input:
        store=STORE,
        split=split_of,
        model=f"{FOLD}/model.safetensors",
    output:
        embeddings=f"{FOLD}/embeddings.safetensors",
    log:
        f"{RESULTS}/logs/embed/{FOLD_NAME}.log",
    benchmark:
        f"{RESULTS}/benchmarks/embed/{FOLD_NAME}.tsv"
    conda:
        f"../../envs/{TRAINING}.yaml"
    # The device is no param: another one does not compute again.
    resources:
        gpu=1,
        device=config["device"],
        slots=config["slots_per_gpu"],
    params:
        run=lambda wildcards: in_order(model_of(config, wildcards.run)),
        per_class=config["figures"]["per_class"],
        seed=config["figures"]["seed"],
        code=lambda wildcards: command_fingerprint(
            "embed", RUNS[wildcards.run]["model"]
        ),
    message:
        "Class-token embeddings of {wildcards.run}, {wildcards.protocol}, fold {wildcards.fold}{wildcards.repeat}"
    shell:
        "python src embed --store {input.store:q} --split {input.split:q} --model {input.model:q} "
        "--run {params.run:q} --per-class {params.per_class:q} --seed {params.seed:q} --device {resources.device:q} "
        "--slots-per-gpu {resources.slots:q} --threads {threads:q} --output {output.embeddings:q} "
        "2>&1 | tee {log:q}"


rule attend:
    input:
        store=STORE,
        model=f"{FOLD}/model.safetensors",
        predictions=f"{FOLD}/predictions.parquet",
    output:
        attention=f"{FOLD}/attention.safetensors",
    log:
        f"{RESULTS}/logs/attend/{FOLD_NAME}.log",
    benchmark:
        f"{RESULTS}/benchmarks/attend/{FOLD_NAME}.tsv"
    conda:
        f"../../envs/{TRAINING}.yaml"
    params:
        run=lambda wildcards: in_order(model_of(config, wildcards.run)),
        # A function: Snakemake would take braces in a string for wildcards.
        category=lambda wildcards: config["figures"]["category"],
        code=lambda wildcards: command_fingerprint(
            "attend", RUNS[wildcards.run]["model"]
        ),
    message:
        "Attention of {wildcards.run}, {wildcards.protocol}, fold {wildcards.fold}{wildcards.repeat}"
    shell:
        "python src attend --store {input.store:q} --model {input.model:q} "
        "--run {params.run:q} --predictions {input.predictions:q} --category={params.category:q} "
        "--output {output.attention:q} 2>&1 | tee {log:q}"


rule attention_movement:
    input:
        store=STORE,
        split=split_of,
        model=f"{FOLD}/model.safetensors",
    output:
        movement=f"{FOLD}/movement.parquet",
    log:
        f"{RESULTS}/logs/attention_movement/{FOLD_NAME}.log",
    benchmark:
        f"{RESULTS}/benchmarks/attention_movement/{FOLD_NAME}.tsv"
    conda:
        f"../../envs/{TRAINING}.yaml"
    # The device is no param: another one does not compute again.
    resources:
        gpu=1,
        device=config["device"],
        slots=config["slots_per_gpu"],
    params:
        run=lambda wildcards: in_order(model_of(config, wildcards.run)),
        seed=config["figures"]["seed"],
        code=lambda wildcards: command_fingerprint(
            "attention_movement", RUNS[wildcards.run]["model"]
        ),
    message:
        "Attention and movement of {wildcards.run}, {wildcards.protocol}, fold {wildcards.fold}{wildcards.repeat}"
    shell:
        "python src attention_movement --store {input.store:q} --split {input.split:q} --model {input.model:q} "
        "--run {params.run:q} --seed {params.seed:q} --device {resources.device:q} "
        "--slots-per-gpu {resources.slots:q} --threads {threads:q} --output {output.movement:q} 2>&1 | tee {log:q}"


rule movement:
    input:
        store=STORE,
        folds=of_folds("movement.parquet", config["figures"]["run"], PROTOCOLS[:1]),
    output:
        table=table("movement", "Does attention follow movement?"),
        page=table_page("movement", "Does attention follow movement?"),
        markdown=f"{RESULTS}/tables/movement.md",
    log:
        log_of("movement"),
    benchmark:
        benchmark_of("movement")
    conda:
        f"../../envs/{TRAINING}.yaml"
    params:
        bootstrap=BOOTSTRAP,
        code=command_fingerprint("movement"),
    message:
        "Does attention follow movement?"
    shell:
        "python src movement --store {input.store:q} --folds {input.folds:q} "
        "--bootstrap {params.bootstrap:q} --output {output.table:q} 2>&1 | tee {log:q}"


rule silhouettes:
    input:
        store=STORE,
        embeddings=SHOWN_FOLDS,
    output:
        table=table("silhouettes", "Silhouettes of the class tokens", "Fig. 5b"),
        counts=f"{RESULTS}/tables/silhouette_counts.csv",
    log:
        log_of("silhouettes"),
    benchmark:
        benchmark_of("silhouettes")
    conda:
        f"../../envs/{TRAINING}.yaml"
    params:
        seed=config["figures"]["seed"],
        code=command_fingerprint("silhouettes"),
    message:
        "Silhouettes of the class tokens"
    shell:
        "python src silhouettes --store {input.store:q} --embeddings {input.embeddings:q} --seed {params.seed:q} "
        "--output {output.table:q} 2>&1 | tee {log:q}"
