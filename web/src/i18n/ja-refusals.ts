import { sourceRefusals } from './ja-source-refusals'
import { studioRefusals } from './ja-studio-refusals'
import type { Refusals } from './refusals'

/** What the server refuses most often. It answers in English. */
export const refusalsInJapanese: Refusals = {
  codes: {
    app_is_off: 'このアプリは無効になっています。先に有効にしてください。',
    body_too_slow: '送信が途中で止まったか、通信速度が遅すぎます。接続を確認して、もう一度送信してください。',
    busy: 'サーバーが混み合っています。数秒待ってから再試行してください。',
    disk_full:
      'サーバーのディスク容量が不足しています。不要なデータやモデルを削除するか、容量を増やしてください。',
    endpoint_is_off: 'この Webhook は停止しています。先に再開してください。',
    internal_error: 'サーバー側で問題が発生しました。詳細はサーバーのログを確認してください。',
    model_file_missing:
      'このモデルのファイルがサーバーに見つかりません。バックアップから復元するか、もう一度学習してください。',
    model_file_removed: 'このモデルのファイルは削除されています。もう一度学習してください。',
    model_not_ready: 'このモデルはまだ学習中です。学習が完了してから再試行してください。',
    model_without_users:
      'このモデルはセッションから学習しているため、ユーザーを指定した推薦はできません。セッション内のアイテムを指定してください。',
    no_room_for_uploads:
      'サーバーで処理中のアップロードが上限に達しています。1 分ほど待ってから再試行してください。',
    not_enough_memory:
      'サーバーの空きメモリが不足しています。ほかの処理が終わってから再試行するか、メモリを増やしてください。',
    out_of_memory:
      'サーバーの空きメモリが不足しています。ほかの処理が終わってから再試行するか、メモリを増やしてください。',
    server_ending: 'サーバーを停止しています。数秒待ってから再試行してください。',
    temporarily_unavailable:
      'データベースまたはファイルの保存先に接続できません。数秒待ってから再試行してください。',
    too_busy: 'ログインが集中しています。数秒待ってから再試行してください。',
    too_long: '処理に時間がかかりすぎたため中断しました。期間や件数を減らして再試行してください。',
    too_many_api_keys:
      'このプロジェクトの API キーの数が上限に達しています。使用していないキーを無効にしてください。',
    too_many_bodies: 'サーバーが混み合っています。数秒待ってから再試行してください。',
    too_many_connections:
      'お使いのネットワークからの接続数が上限に達しています。ほかの接続を閉じてから再試行してください。',
    too_many_endpoints:
      'このプロジェクトの Webhook の数が上限に達しています。不要な Webhook を削除してください。',
    too_many_invitations: '有効な招待の数が上限に達しています。不要な招待を取り消してください。',
    too_many_organisations:
      '所有できる組織の数が上限に達しています。不要な組織を削除するか、サーバー管理者に作成を依頼してください。',
    too_many_uploads:
      '同時に実行できるアップロードの数が上限に達しています。実行中のアップロードが終わってから再試行してください。',
    too_many_waiting_jobs:
      '待機中のジョブの数が上限に達しています。完了を待つか、不要なジョブをキャンセルしてください。',
    user_inactive: 'このアカウントは無効になっています。',
  },
  sentences: {
    ...studioRefusals,
    ...sourceRefusals,
    'no row has a value': 'すべての行が空です',
    'all rows have the same value, so it tells none from another':
      'すべての行が同じ値のため、アイテムを区別できません',
    'most rows have a value of their own, so it is a name and makes no two alike':
      '行ごとに異なる値のため、似たアイテムを見つける手がかりになりません',
    'the values are links': 'リンク（URL）です',
    'the values have different forms, or are JSON objects':
      '値の形式がそろっていないか、JSON オブジェクトです',
    'each value is a list of {width} numbers, as embeddings are': '埋め込みのような、{0} 個の数値の並びです',
    'each value is a list of {width} numbers, as embeddings are, not counting {odd} that cannot be read':
      '埋め込みのような、{0} 個の数値の並びです（読み取れない値 {1} 件を除く）',
    '{first}; this value is left out': '{0}（この値は使われません）',
    '{first}; this value and one other of the column are left out':
      '{0}（この値と、同じ列のほか 1 件の値は使われません）',
    '{first}; this value and {} others of the column are left out':
      '{0}（この値と、同じ列のほか {1} 件の値は使われません）',
    '{why}, so it makes no two alike; leave the column out':
      '{0}（似たアイテムを見つける手がかりにならないため、この列を外してください）',
    'each value is a date': 'すべての値が日付です',
    'each value is a date, not counting {odd} that cannot be read': '日付です（読み取れない値 {0} 件を除く）',
    'each value is a date as the number of days in a spreadsheet':
      'すべての値が表計算ソフトの日付（シリアル値）です',
    'each value is a date as the number of days in a spreadsheet, not counting {odd} that cannot be read':
      '表計算ソフトの日付（シリアル値）です（読み取れない値 {0} 件を除く）',
    'The numbers are read as days of a spreadsheet: 43831 is 2020-01-01.':
      '数値は表計算ソフトの日付（シリアル値）として読み取られます。43831 は 2020-01-01 です。',
    'The numbers are read as seconds since 1970, which is unlikely. Write dates as 2020-01-31.':
      '数値は 1970 年からの秒数として読み取られますが、日付ではない可能性があります。日付は 2020-01-31 の形式で記入してください。',
    'age gives a number of days, which is no date; use kind "number", or leave age out':
      '経過日数は日数であり、日付ではありません。種類を「数値」にするか、経過日数を外してください。',
    'age gives a number of days, of which there is no age; leave one of them out':
      '経過日数の経過日数は計算できません。どちらかを外してください。',
    'weight {} is not between 0.000001 and 1000000': '重みは 0.000001 から 1000000 までの値にしてください。',
    'whole numbers of which there are few, as codes are': 'コードのような、少ない種類の整数です',
    'each value is a number': 'すべての値が数値です',
    'each value is a number, not counting {odd} that cannot be read':
      '数値です（読み取れない値 {0} 件を除く）',
    'lists of values that come back in other rows': 'ほかの行にも現れる値のリストです',
    'values that come back in other rows': 'ほかの行にも現れる値です',
    'most values differ and have words in common': '値は異なりますが、共通の単語があります',
    'extract: the pattern is longer than {LONGEST_PATTERN} bytes':
      '正規表現は {0} バイト以内で入力してください。',
    'extract: {pattern:?} is not a regular expression that can be used: {reason}':
      '使用できない正規表現です（{1}）。',
    'This field is required.': '必須項目です。',
    'This field may not be null.': '必須項目です。',
    'This field may not be blank.': '入力してください。',
    'Null characters are not allowed.': '使用できない文字（NULL 文字）が含まれています。',
    'Not a valid string.': '文字列で入力してください。',
    'Ensure this field has no more than {} characters.': '{0} 文字以内で入力してください。',
    'A valid integer is required.': '整数で入力してください。',
    'A valid number is required.': '数値で入力してください。',
    'Ensure this value is greater than or equal to {low}.': '{0} 以上の値を入力してください。',
    'Ensure this value is less than or equal to {high}.': '{0} 以下の値を入力してください。',
    'Ensure this value is between {} and {}.': '{0} から {1} までの値を入力してください。',
    'Must be a valid boolean.': '真偽値で指定してください。',
    'This must be a JSON object.': 'JSON オブジェクトで入力してください。',
    'Ensure this field has no more than {} bytes of JSON.': 'JSON は {0} バイト以内にしてください。',
    'Ensure this field has no more than {} elements.': '{0} 件以内にしてください。',
    'Ensure that no element has more than {} characters.': 'それぞれ {0} 文字以内で入力してください。',
    '{value} is not a valid choice. Choose one of: {}.':
      '{0} は選択できません。次のいずれかを選択してください: {1}',
    'Datetime has wrong format. Use ISO 8601, such as 2030-01-31T12:00:00Z.':
      '日時の形式が正しくありません。',
    'Look for at most {LONGEST_QUERY} characters.': '検索語は {0} 文字以内で入力してください。',
    'Choose a moment that is still to come.': '現在より後の日時を指定してください。',
    'Enter a valid email address.': 'メールアドレスの形式が正しくありません。',
    'Invalid pk "{id}" - object does not exist.':
      '指定した項目が見つかりません。削除された可能性があります。',
    'Choose one of the same project.': '同じプロジェクトのものを選択してください。',
    'Choose at least one scope.': 'スコープを 1 つ以上選択してください。',
    'The item column must differ from the user column.':
      'アイテムの列には、ユーザーの列とは別の列を指定してください。',

    'You already have a project with this name.': '同じ名前のプロジェクトがすでにあります。',
    'This project already has a configuration with this name.':
      'このプロジェクトには同じ名前の構成がすでにあります。',
    'An API key with this name already exists for this project.':
      'このプロジェクトには同じ名前の API キーがすでにあります。',
    'This project already has a retraining schedule. Change that one.':
      'このプロジェクトには再学習のスケジュールがすでにあります。既存のスケジュールを変更してください。',
    'This project already has an app with this name.':
      'このプロジェクトには同じ名前のアプリがすでにあります。',
    'A user with that username already exists.': 'このユーザー名はすでに使われています。',

    '"{text}" is not the origin of a web page. Enter one such as https://shop.example.com, without a path.':
      '「{0}」はオリジンの形式ではありません。https://shop.example.com のように、パスを付けずに入力してください。',
    '{found} messages would be sent again, and at once may be {most}. Choose a later moment.':
      '再送の対象が {0} 件あり、一度に再送できる上限（{1} 件）を超えています。より新しい日時を指定してください。',
    '"{0}" is not a valid URL. Enter one such as https://example.com/hook.':
      '「{0}」は URL の形式ではありません。https://example.com/hook のように入力してください。',
    'The URL begins with "{0}:". Enter one that begins with https://.':
      '「{0}:」で始まる URL は使用できません。https:// で始まる URL を入力してください。',
    'The URL is not encrypted. Enter one that begins with https://, or ask the operator to set outbound.allow_http.':
      '暗号化されていない URL は使用できません。https:// で始まる URL を入力するか、outbound.allow_http の設定をサーバー管理者に依頼してください。',
    'The URL contains a user name or a password. Leave them out.':
      'URL にユーザー名やパスワードを含めることはできません。',
    'The port of "{0}" is missing or 0. Enter a port from 1 to 65535.':
      '「{0}」のポート番号が正しくありません。1 から 65535 までの番号を指定してください。',
    '"{0}" could not be resolved to an address. Check the spelling.':
      'ホスト名「{0}」が見つかりません。入力内容を確認してください。',
    '"{host}" may not be reached from this server: it has no public address. Ask the operator if this is intended.':
      '「{0}」は公開されたアドレスではないため、このサーバーから接続できません。必要な場合は、サーバー管理者に依頼してください。',
    '{host} resolves to {address}, where this server or its database listens. It cannot be allowed.':
      '{0} のアドレス（{1}）は、このサーバーまたはデータベースが使用しているため、許可できません。',
    '{host} resolves to {address}, {}. To allow it, add {} to outbound.allow_networks.':
      '{0} のアドレス（{1}）は公開されていません。許可するには、outbound.allow_networks に {3} を追加してください。',

    'Use only letters, digits and @ . + - _': '使用できるのは文字、数字と @ . + - _ のみです。',
    'The password is too similar to the name or e-mail address.':
      'ユーザー名やメールアドレスに似たパスワードは使用できません。',
    'This password is too short. It must contain at least {SHORTEST} characters.':
      'パスワードは {0} 文字以上にしてください。',
    'This password is entirely blank.': '空白だけのパスワードは使用できません。',
    'This password is too common.': 'よく使われるパスワードのため使用できません。',
    'This password is entirely numeric.': '数字だけのパスワードは使用できません。',
    "The two password fields didn't match.": '確認用のパスワードが一致しません。',
    'That is not your current password.': '現在のパスワードが正しくありません。',
    'This link is not valid. It may have expired or been used already.':
      'このリンクは無効です。有効期限が切れたか、すでに使用された可能性があります。',
    'This invitation is not valid. It may have expired, been used already or been withdrawn.':
      'この招待は無効です。有効期限が切れたか、すでに使用されたか、取り消された可能性があります。',

    'This requires the role {needed} or higher; yours is {role}.':
      'この操作には「{0}」以上のロールが必要です（現在のロール: {1}）。',
    'Only staff may do this.': 'この操作はサーバー管理者だけが行えます。',
    'Accounts are made by invitation here. Ask an administrator for one.':
      'アカウントの作成は招待制です。管理者に招待を依頼してください。',
    'The audit log is for admins and owners of the organisation.':
      '監査ログを閲覧できるのは、組織の管理者と所有者だけです。',

    'The submitted file is empty.': 'ファイルが空です。',
    'The file name has {length} characters; shorten it to {LONGEST_NAME} or fewer.':
      'ファイル名が長すぎます（{0} 文字）。{1} 文字以内にしてください。',
    'The file is larger than {} MB, which is the limit for uploads. Compress it, or split it.':
      'ファイルがアップロードの上限（{0} MB）を超えています。圧縮するか、分割してください。',
    'The file unpacks to more than {ratio} times its size, which no table of interactions does. Send it uncompressed.':
      '展開後のサイズが元のファイルの {0} 倍を超えています。圧縮せずにアップロードしてください。',
    'The file took longer than {seconds} seconds to check. Leave out columns, split it, or send it uncompressed.':
      'ファイルの確認に {0} 秒以上かかりました。不要な列を除くか、ファイルを分割するか、圧縮せずにアップロードしてください。',
    'the table has more than {limit} {what}, which is the limit; leave out what is not needed, or split it':
      '表が上限（{0} {1}）を超えています。不要なものを除くか、分割してください。',
    'the text is encoded in {name}, which cannot be read here; save the file as UTF-8 and send it again':
      'テキストの文字コードが {0} のため読み取れません。UTF-8 で保存し直してアップロードしてください。',
    'the text is not UTF-8{place}{seems}; save the file as UTF-8 and send it again':
      'テキストの文字コードが UTF-8 ではありません{0}。{1}UTF-8 で保存し直してください（Excel では「CSV UTF-8」形式）。',
    ' at line {l}': '（{0} 行目）',
    ' (it looks like Shift_JIS)': 'Shift_JIS の可能性があります。',
    ' (it looks like Windows-1252)': 'Windows-1252 の可能性があります。',
    'no value of the time column {column:?} could be understood, for example {example:?}; use Unix time, YYYY-MM-DD, YYYY-MM-DD HH:MM:SS, RFC 3339, YYYYMMDD or DD.MM.YYYY':
      '日時の列 {0} の値をすべて読み取れませんでした（例: {1}）。Unix 時間、YYYY-MM-DD、YYYY-MM-DD HH:MM:SS、RFC 3339、YYYYMMDD、DD.MM.YYYY のいずれかの形式にしてください。',
    'the column {column:?} holds {kind}, which cannot be read here; write a text or a number in each row, or leave the column out':
      '列 {0} の値の型（{1}）には対応していません。各行に文字列か数値を記入するか、列を除いてください。',
    'after the end of the {packing} data, the file continues with other bytes; remove them, or pack the file again':
      '{0} のデータの後に、余分なデータがあります。取り除くか、圧縮し直してください。',
    'the values of the column {column:?} take {} of memory at once, counting missing ones, and the limit is {}; leave that column out, or write shorter lists':
      '列 {0} の値が使用するメモリ（{1}）が、上限（{2}）を超えています。列を除くか、リストを短くしてください。',
    'the name of the column that begins with {:?} has more than {limit} characters, which is the limit; shorten it, or add a line with the column names if the file has none':
      '{0} で始まる列名が長すぎます（上限 {1} 文字）。短くするか、列名の行がない場合は追加してください。',
    'the header at line {line} is larger than {}; is a quotation mark left open there?':
      '{0} 行目の列名の行が上限（{1}）を超えています。引用符が閉じているか確認してください。',
    'cannot tell the format of {name:?}; use .csv, .tsv, .json, .jsonl, .ndjson or .parquet, plain or followed by .gz, .bz2, .xz, .zst or .zip':
      '{0} の形式を判別できません。拡張子は .csv、.tsv、.json、.jsonl、.ndjson、.parquet のいずれかにしてください（続けて .gz、.bz2、.xz、.zst、.zip も可）。',
    'no value for {column:?}': '列 {0} に値がありません',
    '{column:?} is blank': '列 {0} が空です',
    '{column:?} is {id}, which stands for a missing value': '列 {0} の値 {1} は欠損値を表します',
    '{column:?} is not a time: {found:?}': '列 {0} の値 {1} を日時として読み取れません',
    'too few fields: {n} instead of {n_columns}{hint}': '値が {0} 個しかありません（列は {1} 個）{2}',
    'too many fields: {n} instead of {n_columns}{hint}': '値が {0} 個あります（列は {1} 個）{2}',
    '; a quotation mark opens a field and does not close it': '。引用符が閉じていません',
    'larger than {limit} bytes': '{0} バイトを超えています',
    'line {line} of the JSON text: {reason}': 'JSON の {0} 行目: {1}',
    'the file could not be read: {0}': 'ファイルを読み取れませんでした: {0}',
    'the file is empty; it needs at least a header with the column names':
      'ファイルが空です。列名の行が必要です。',
    'the file has no column {column:?}; {}':
      'ファイルに列 {0} がありません。ファイルの列名と、プロジェクトの列の設定を確認してください。',
    'the file has several columns named {column:?}; rename or remove all but the one that is meant':
      '列 {0} が複数あります。使用する列だけを残してください。',
    'the file ends in the middle of its data; it was probably cut off while being copied: send it again':
      'ファイルが途中で切れています。コピーの途中で切れた可能性があります。もう一度アップロードしてください。',
    'the file is named as {named} but holds {found}; rename it so that the extension tells its content':
      '拡張子は {0} ですが、内容は {1} です。内容に合った拡張子に変更してください。',
    'the file cannot be read as {what}: {reason}; check that the file is whole and its extension is right':
      '{0} として読み取れません（{1}）。ファイルが壊れていないか、拡張子が正しいかを確認してください。',
    'the file holds more than {} of data once expanded, which is the limit; split it, or raise the limit':
      '展開後のデータが上限（{0}）を超えています。ファイルを分割するか、上限を引き上げてください。',
    'the archive holds {count} files; put exactly one data file into it':
      'アーカイブに {0} 個のファイルが含まれています。データファイルを 1 つだけ入れてください。',
  },
  values: {
    'less than 1 %': '1% 未満',
    'more than 99 %': '99% 超',
    viewer: '閲覧者',
    editor: '編集者',
    admin: '管理者',
    owner: '所有者',
    columns: '列',
    rows: '行',
    user: 'ユーザー ID',
    item: 'アイテム ID',
    time: '日時',
    event: 'イベントの種類',
  },
  files: { interactions: '行動履歴', items: 'アイテム情報', users: 'ユーザー情報' },
}
