# From predictions and models to tables, embeddings and attention.

PAPER = "src/bptubeformer/evaluation/paper.yaml"


rule accuracy:
    input:
        predictions=predictions(PROTOCOLS),
        paper=PAPER,
    output:
        table=report(
            f"{RESULTS}/tables/accuracy.csv",
            caption="../report/accuracy.rst",
            category="Tables",
            labels={"table": "Table 1: balanced accuracy"},
        ),
        markdown=f"{RESULTS}/tables/accuracy.md",
        folds=f"{RESULTS}/tables/folds.csv",
    log:
        log_of("accuracy"),
    benchmark:
        benchmark_of("accuracy")
    conda:
        "../../envs/training.yaml"
    params:
        results=subpath(output.table, ancestor=2),
        runs=json.dumps(DESCRIBED),
        protocols=PROTOCOLS,
        folds=len(FOLDS),
        code=command_fingerprint("accuracy"),
    message:
        "Table 1: balanced accuracy"
    shell:
        "python src accuracy --results {params.results} --runs {params.runs:q} "
        "--protocols {params.protocols} --folds {params.folds} --output {output.table} "
        "2>&1 | tee {log}"


rule complexity:
    input:
        store=STORE,
        paper=PAPER,
    output:
        table=report(
            f"{RESULTS}/tables/complexity.csv",
            caption="../report/complexity.rst",
            category="Tables",
            labels={"table": "Table 2: complexity"},
        ),
        markdown=f"{RESULTS}/tables/complexity.md",
    log:
        log_of("complexity"),
    benchmark:
        benchmark_of("complexity")
    conda:
        "../../envs/training.yaml"
    params:
        runs=json.dumps(DESCRIBED),
        batch_size=config["complexity"]["batch_size"],
        code=command_fingerprint(
            "complexity", *sorted({run["model"] for run in RUNS.values()})
        ),
    message:
        "Table 2: MACs and parameters"
    shell:
        "python src complexity --store {input.store} --runs {params.runs:q} "
        "--batch-size {params.batch_size} --output {output.table} "
        "2>&1 | tee {log}"


rule embed:
    input:
        store=STORE,
        split=split_of,
        model=f"{FOLD}/model.safetensors",
    output:
        embeddings=f"{FOLD}/embeddings.safetensors",
    log:
        f"{RESULTS}/logs/embed/{{protocol}}/{{run}}-fold{{fold}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/embed/{{protocol}}/{{run}}-fold{{fold}}.tsv"
    conda:
        "../../envs/training.yaml"
    # The device is no param: the same numbers stand, whichever it is.
    resources:
        gpu=1,
        device=config["device"],
    params:
        per_class=config["figures"]["per_class"],
        seed=config["figures"]["seed"],
        batch_size=lambda wildcards: training_of(config, wildcards.run)["batch_size"],
        code=lambda wildcards: command_fingerprint(
            "embed", RUNS[wildcards.run]["model"]
        ),
    message:
        "Class-token embeddings of {wildcards.run}, {wildcards.protocol}, fold {wildcards.fold}"
    shell:
        "python src embed --store {input.store} --split {input.split} --model {input.model} "
        "--per-class {params.per_class} --seed {params.seed} --batch-size {params.batch_size} "
        "--device {resources.device} --threads {threads} --output {output.embeddings} "
        "2>&1 | tee {log}"


rule attend:
    input:
        store=STORE,
        model=f"{FOLD}/model.safetensors",
        predictions=f"{FOLD}/predictions.parquet",
    output:
        attention=f"{FOLD}/attention.safetensors",
    log:
        f"{RESULTS}/logs/attend/{{protocol}}/{{run}}-fold{{fold}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/attend/{{protocol}}/{{run}}-fold{{fold}}.tsv"
    conda:
        "../../envs/training.yaml"
    params:
        category=config["figures"]["category"],
        code=lambda wildcards: command_fingerprint(
            "attend", RUNS[wildcards.run]["model"]
        ),
    message:
        "Attention of {wildcards.run}, {wildcards.protocol}, fold {wildcards.fold}"
    shell:
        "python src attend --store {input.store} --model {input.model} "
        "--predictions {input.predictions} --category {params.category:q} "
        "--output {output.attention} 2>&1 | tee {log}"
